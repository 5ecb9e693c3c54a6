// What a class of device goes for: one index a class, moved once an interval by what was paid and
// by how much of it was in use.
//
//   push = step * (use - target) / (100 % - target)   above the target; / target below it
//   pull = (mean price of the interval's new leases - index) / 2, or 0 without any
//   index += clamp(push + pull, -step, step), where step = index * policy step
//
// All in integers, divisions towards zero; `use` is leased over offered capacity, averaged over the
// interval by time. Where a forecast is told of the class (core/forecasts.cc), the policy's share
// of `use` is what is expected of the next hour; the step bounds the move as ever. Offers that
// leave their price to the market follow the index (core/repricing.h). The same forecast ranks
// offers (core/placement.h) and tells orders with a deadline what to expect (core/run_mode.h).
//
// Owner: MarketState, market thread only. A node counts in the class of its first device. Classes
// are made when a node comes that needs one, up to a maximum, and forgotten with their last node;
// a node that comes when there are too many counts in none until its facts are told again.
#pragma once

#include <absl/container/btree_map.h>
#include <absl/container/btree_set.h>

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/types.h"
#include "core/node.h"

namespace fallow::core {

// Of an open spot lease that nothing stops, by its bid.
struct SpotPlace {
  Micros bid;
  LeaseId lease;
  auto operator<=>(const SpotPlace&) const = default;
};

// Devices that are priced together.
struct PriceClass {
  std::string model;   // canonical
  std::string region;  // as the node says it
  auto operator<=>(const PriceClass&) const = default;
};

PriceClass price_class_of(const Node& node);

// The rules of one move, from the policy.
struct IndexRules {
  std::uint32_t step_basis_points = 0;      // the most an interval moves the index by
  std::uint32_t target_basis_points = 0;    // use at which it stays; 1 to 9,999
  Micros value_max;                         // no index goes beyond
  std::uint32_t forecast_basis_points = 0;  // what expected use counts beside that of the interval
};

// Twice of what there is may be asked for, and more is no different.
constexpr std::uint32_t kExpectedUseMax = 20'000;  // basis points
// A forecast counts for no longer than this, so none stays when nobody tells the next.
constexpr Duration kForecastAheadMax = hours(2);

struct PriceIndex {
  PriceClass key;
  Micros value;  // of one device and hour; 0: nothing was offered yet

  // Since the interval began.
  Micros open;                           // the index then
  Micros low, high, mean;                // of new leases, by capacity; 0 without any
  std::uint64_t trades = 0;              // new leases
  std::uint64_t traded_thousandths = 0;  // devices in them
  std::int64_t offered_ms = 0;           // thousandths of devices times milliseconds
  std::int64_t leased_ms = 0;            // likewise
  Time counted_to;
  Time began_at;  // the interval did

  // What SetForecast told; expected_until 0: nothing that counts any more.
  std::uint32_t expected_use_basis_points = 0;
  Time expected_until;

  // Of the tier spot: see core/spot.h.
  Micros spot;         // the clearing price; 0: floors hold
  Micros spot_losing;  // the highest losing bid since the interval began

  // Now; derived from the nodes and leases.
  std::uint64_t nodes = 0;  // not removed
  std::uint64_t offered_thousandths = 0;
  std::uint64_t leased_thousandths = 0;
  absl::btree_set<SpotPlace> spot_leases;

  // Average use since the interval began; 0 when nothing was offered.
  std::uint32_t use_basis_points() const;
  bool is_expected(Time now) const { return now < expected_until; }
  // How much of what there is beyond the target is expected to be asked for, in basis points; 0
  // where nothing is expected.
  std::uint32_t scarcity(Time now, std::uint32_t target_basis_points) const;
};

class PriceIndexes {
 public:
  explicit PriceIndexes(std::size_t classes_max) : classes_max_(classes_max) {}

  // Puts the node where it belongs, after its facts were told or it was removed.
  void place(Node& node, Time now);
  // Brings what is counted of it up to date, after any change of its offer, link, owner or leases.
  void count(Node& node, Time now);

  // The node was offered at `device_hour`: a class without an index begins with it.
  void offered(const Node& node, Micros device_hour);
  // A lease of so many thousandths of its devices began at `device_hour`.
  void traded(const Node& node, Micros device_hour, std::uint64_t thousandths);

  // Ends the interval: each class with anything offered or traded in it moves, is shown to `told`
  // with its interval's figures, and begins the next.
  template <class Told>
  void close_interval(Time now, const IndexRules& rules, Told&& told);

  // What a node counts with.
  struct Capacity {
    std::uint32_t offered_thousandths = 0;
    std::uint32_t leased_thousandths = 0;
  };
  static Capacity capacity_of(const Node& node);

  bool empty() const { return classes_.empty(); }
  // Null: no node is of it.
  PriceIndex* find(const PriceClass& key);
  // Ascending by class.
  template <class Visit>
  void visit(Visit&& visit) const {
    for (const auto& [unused, index] : classes_) visit(std::as_const(*index));
  }
  template <class Each>
  void each(Each&& each) {
    for (const auto& [unused, index] : classes_) each(*index);
  }
  // A class as a snapshot had it, without its nodes. False when it is there already.
  bool restore(PriceIndex index);
  // A node as a snapshot had it: back to its class, if it had one. False when that is not there.
  bool restore(Node& node);

  // What the index becomes at `now`, the interval's end. Pure.
  static Micros moved(const PriceIndex& index, const IndexRules& rules, Time now);

 private:
  static void add(Node& node, Capacity capacity);
  static void count_time(PriceIndex& index, Time now);
  static void leave(Node& node);

  const std::size_t classes_max_;
  absl::btree_map<PriceClass, std::unique_ptr<PriceIndex>> classes_;
};

template <class Told>
void PriceIndexes::close_interval(Time now, const IndexRules& rules, Told&& told) {
  for (const auto& [unused, owned] : classes_) {
    PriceIndex& index = *owned;
    count_time(index, now);
    if (index.value.value == 0 || (index.offered_ms == 0 && index.trades == 0)) {
      index.began_at = now;
      continue;
    }
    index.value = moved(index, rules, now);
    told(std::as_const(index));
    index.open = index.value;
    index.began_at = now;
    index.low = index.high = index.mean = Micros(0);
    index.trades = index.traded_thousandths = 0;
    index.offered_ms = index.leased_ms = 0;
  }
}

}  // namespace fallow::core
