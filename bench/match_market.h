// A market of many nodes for the benchmarks of the book: 90 models of GPU, a few of them most of
// the market, and orders of which each asks for a model under four more conditions. Beside the book
// the same data as plain columns, for a plain scan.
//
// Owner: one benchmark, one thread. Nodes keep their addresses.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/env.h"
#include "core/block_book.h"

namespace fallow::bench {

// What a plain scan reads: one array a column, of the exact values.
struct Columns {
  std::vector<std::uint32_t> price;  // micros
  std::vector<std::uint32_t> reliability;
  std::vector<std::uint32_t> download;
  std::vector<std::uint32_t> memory;
  std::vector<std::uint8_t> model;
  std::vector<std::uint8_t> region;
  std::vector<std::uint8_t> whole;  // devices that are free
};

// An order as the scan asks it and as the book is asked.
struct Wanted {
  std::uint32_t reliability = 0;
  std::uint32_t download = 0;
  std::uint32_t memory = 0;
  std::uint32_t regions = 0;  // a bit each
  std::uint8_t model = 0;
  std::uint8_t gpus = 1;
  core::Demand demand;
};

class MatchMarket {
 public:
  static constexpr std::uint32_t kModels = 90;
  static constexpr std::uint32_t kRegions = 32;

  explicit MatchMarket(std::uint64_t offers);

  // From now on the score counts as a new market's policy weighs it: demand is of the orders' mix,
  // and nodes last as likely as chance has it.
  void weigh();
  // And all offers of a model have one price, as those that follow an index do.
  void level();

  // Node i, as it stands at nodes()[i].
  std::deque<core::Node>& nodes() { return nodes_; }
  core::BlockBook& book() { return book_; }
  const Columns& columns() const { return columns_; }
  std::uint64_t devices() const { return devices_; }
  // An order of the market's mix: no two are alike.
  Wanted order();
  Random& random() { return *random_; }

  // The node's free devices have changed: its column is made good.
  void set_column(std::uint64_t i, std::uint32_t whole) {
    columns_.whole[i] = static_cast<std::uint8_t>(whole);
  }

 private:
  std::uint32_t skewed_model();

  std::unique_ptr<Random> random_;
  std::vector<std::string> models_;
  std::vector<std::string> regions_;
  std::deque<core::Node> nodes_;
  core::Scoring scoring_;
  core::BlockBook book_{scoring_};
  Columns columns_;
  std::uint64_t devices_ = 0;
};

// The least price among the offers that fit: a scan of all columns. The largest number of none.
std::uint32_t scan(const Columns& columns, const Wanted& wanted);

core::Demand demand_of(std::string_view query, v1::Objective objective);

}  // namespace fallow::bench
