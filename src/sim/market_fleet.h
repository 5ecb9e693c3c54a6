// The market laboratory's supply: nodes drawn from a price book, verified or not as the book's
// devices are, each with the spans in which it is there and away, and with what it is offered at.
// Owner: run_market; one thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/types.h"
#include "fallow/v1/commands.pb.h"
#include "sim/market_trace.h"

namespace fallow::sim {

// The query language's regions by which orders choose between hosts.
constexpr const char* kVerifiedRegion = "verified";
constexpr const char* kHomeRegion = "home";

struct MarketNode {
  NodeId id;
  std::uint32_t row = 0;  // of the book
  std::uint32_t devices = 0;
  std::int64_t speed = 0;  // of the vendor's, GENERAL
  Micros device_hour;
  bool verified = false;
  bool away = false;
  Time since;  // when `away` became what it is
};

class MarketFleet {
 public:
  // The inputs outlive the fleet.
  MarketFleet(const std::vector<BookRow>& book, const ChurnFit& home, const ChurnFit& verified,
              std::uint32_t nodes, std::uint64_t seed);

  std::vector<MarketNode>& nodes() { return nodes_; }
  v1::NodeFacts facts(std::uint32_t number) const;
  // The node has its id. Every host takes spot from so much of its price on; verified ones give
  // discounts for terms.
  v1::Command offer(std::uint32_t number, std::uint32_t spot_floor_pct) const;
  // How long the node stays as it is now.
  Duration span(const MarketNode& node);
  // Reference cards' worth of work that the fleet does, counting how much of the time nodes are
  // there.
  double capacity() const;
  std::int64_t slowest() const;
  std::int64_t fastest() const;
  // The models that are at least so fast, as the query language names them; the fastest, if they
  // are more than a query may name.
  std::vector<std::string> models_from(std::int64_t speed) const;

 private:
  const ChurnFit& fit(bool verified) const { return verified ? verified_ : home_; }
  double uniform();

  const std::vector<BookRow>& book_;
  const ChurnFit& home_;
  const ChurnFit& verified_;
  std::unique_ptr<Random> random_;
  std::array<double, 2> there_{};  // share of the time, [verified]
  std::vector<MarketNode> nodes_;
};

}  // namespace fallow::sim
