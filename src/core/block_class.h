// Offers with devices that no query can tell apart: one model, one size of memory, one kind,
// verified or not.
//
// Owner: the book, market thread only. A node with several classes of devices stands in each.
#pragma once

#include <absl/container/btree_map.h>

#include <array>
#include <compare>
#include <cstdint>
#include <string>

#include "core/block_tree.h"
#include "core/speed.h"
#include "core/term.h"
#include "fallow/v1/types.pb.h"

namespace fallow::core {

struct ClassKey {
  std::string model;  // canonical
  std::uint32_t memory_mb = 0;
  v1::DeviceKind kind = v1::DEVICE_KIND_UNSPECIFIED;
  bool verified = false;
  auto operator<=>(const ClassKey&) const = default;
};

class OfferClass {
 public:
  OfferClass(ClassKey key, const v1::Device& device, const Speeds& speeds, BlockMemory& memory)
      : key_(std::move(key)),
        device_(device),
        speeds_(speeds),
        now_(memory, *this, BlockTree::Order::kPrice),
        former_(memory, *this, BlockTree::Order::kFormerPrice),
        spot_(memory, *this, BlockTree::Order::kSpotFloor) {}

  const ClassKey& key() const { return key_; }
  std::int64_t speed(v1::WorkloadClass workload) const { return speeds_[workload]; }
  void set_speeds(const Speeds& speeds) { speeds_ = speeds; }
  const v1::Device& device() const { return device_; }  // one of them
  // All offers, and once more those that were raised lately, by the least they may bind at, and
  // those that take spot leases, by the least that these pay.
  BlockTree& now() { return now_; }
  const BlockTree& now() const { return now_; }
  BlockTree& former() { return former_; }
  const BlockTree& former() const { return former_; }
  BlockTree& spot() { return spot_; }
  const BlockTree& spot() const { return spot_; }

  // An offer with these largest discounts came, and one went; nothing for none.
  void add(const Discounts& discounts);
  void take(const Discounts& discounts);
  // No offer of the class gives more for this term.
  std::uint16_t discount_max(Bracket term) const {
    if (term == kNoBracket || discounts_[term].empty()) return 0;
    return discounts_[term].rbegin()->first;
  }

 private:
  ClassKey key_;
  v1::Device device_;
  Speeds speeds_;  // as the market's table has them
  BlockTree now_;
  BlockTree former_;
  BlockTree spot_;
  // How many offers give so much, by bracket; at most kDiscountMax each.
  std::array<absl::btree_map<std::uint16_t, std::uint32_t>, kBrackets> discounts_;
};

inline void OfferClass::add(const Discounts& discounts) {
  for (std::size_t i = 0; i < kBrackets; ++i) {
    if (discounts[i] > 0) ++discounts_[i][discounts[i]];
  }
}

inline void OfferClass::take(const Discounts& discounts) {
  for (std::size_t i = 0; i < kBrackets; ++i) {
    if (discounts[i] == 0) continue;
    const auto counted = discounts_[i].find(discounts[i]);
    if (--counted->second == 0) discounts_[i].erase(counted);
  }
}

}  // namespace fallow::core
