// Does a node fit a demand, with which devices and at what price: the one rule behind search,
// quote and reserve. And how fitting nodes are ranked.
//
// Market thread only. A Matcher refers to its demand and scoring, which must outlive it.
#pragma once

#include <boost/container/small_vector.hpp>
#include <compare>
#include <cstdint>
#include <optional>
#include <span>

#include "base/types.h"
#include "core/book.h"

namespace fallow::core {

enum class Supply : std::uint8_t {
  kFree,     // what could start now
  kOffered,  // as if every offered node were idle, connected and its owner away
};

// A node that fits. What comes behind the prices is there only where the objective asks for it.
struct Candidate {
  Micros device_hour;
  Micros disk_gb_hour;
  Micros rate_hour;
  std::int64_t speed = 0;               // the slowest chosen device's
  std::uint32_t lasting_ppm = kSurely;  // how likely the node is to last
  std::uint32_t stranded = 0;           // thousandths of devices that become useless by it
  std::uint32_t scarce = 0;             // of its class, basis points: see PriceIndex::scarcity()
  bool elsewhere = false;               // than where the order's data are
  Micros egress_gb{};                   // the node itself tells it, so not that of a column
};

// Total order of fitting nodes; less is better.
struct Rank {
  std::int64_t first = 0;  // of the objective: rate, or speed turned round, or cost to complete
  Micros rate_hour;
  std::int64_t unreliability = 0;  // reliability turned round
  NodeId node;
  auto operator<=>(const Rank&) const = default;
};

// The prices of an offer that bind for a demand quoted at `quoted_at` (0: not): each the lower of
// today's and the one before it was raised, so that nobody pays more than either. Of a device less
// the discount of the demand's term.
struct OfferPrice {
  Micros device_hour;  // that is paid
  Micros disk_gb_hour;
  Micros list_hour;  // the same without the discounts
  Discounts discounts{};
  Micros egress_gb{};
};
OfferPrice price_at(const Offer& offer, Time quoted_at, Bracket term);

// Is there an offer that stands, with devices?
bool is_offered(const Node& node);
// Might anything of it be leased now?
bool is_open(const Node& node);

std::uint32_t gpus_of(const v1::Requirements& requirements);       // at least 1
std::uint32_t share_of(const v1::Requirements& requirements);      // at least 1
std::uint32_t nodes_of(const v1::Requirements& requirements);      // of a gang; at least 1
v1::Objective objective_of(const v1::Requirements& requirements);  // CHEAPEST by default

// What a caller knows of a node already.
struct Hints {
  std::span<const std::int64_t> speeds;  // of its devices in their order; empty: not known
  bool all_admitted = false;             // the query admits each of its devices
};

class Matcher {
 public:
  // The plain scoring is enough for whoever asks for fits and prices only, and ranks nothing.
  explicit Matcher(const Demand& demand, const Scoring& scoring = Scoring::plain());

  std::optional<Candidate> fit(const Node& node, Supply supply, const Hints& hints = {}) const;

  // Of its offer, whether it fits or not. To spot it is the clearing price or its floor.
  OfferPrice price_of(const Node& node) const;
  // What a task on the node would cost, whether it fits or not; no speed.
  Candidate priced(const Node& node) const;
  // The same by the prices: rate_of() its requirements.
  Micros rate(Micros device_hour, Micros disk_gb_hour) const;

  // Positions in node.devices that a fitting node gives, ascending by v1::Device.index: of the
  // admitted ones with room those with the least free share, then the lowest index.
  using Positions = boost::container::small_vector<std::size_t, 8>;
  Positions choose(const Node& node, Supply supply) const;

  Placement placement(const Node& node, const Candidate& candidate, Supply supply) const;

  // How likely a node is to last for the demand's time: as its history says, else as that of nodes
  // in general does, and never more likely than it kept its leases.
  std::uint32_t lasting_ppm(SurvivalCode known, std::uint32_t reliability_ppm) const;
  std::size_t span() const { return span_; }  // of the demand's time
  // With every code of lasting up to this one such a candidate ranks behind any whose Rank::first
  // is `first`; 0: with none.
  SurvivalCode behind_up_to(Candidate candidate, std::int64_t first) const;
  // The code of a node of which nothing is known, or the last where that is not known either.
  SurvivalCode unknown_lasting() const;

  // Does what the policy weighs count beside price and speed?
  bool scored() const {
    return fragmentation_weight_ + survival_weight_ + locality_weight_ + scarcity_weight_ > 0;
  }
  bool weighs_fragments() const { return fragmentation_weight_ > 0; }
  bool weighs_lasting() const { return survival_weight_ > 0 || objective_ == v1::COST_TO_COMPLETE; }
  bool weighs_locality() const { return locality_weight_ > 0; }
  // Nothing is scarce while no forecast counts.
  bool weighs_scarcity() const {
    return scarcity_weight_ > 0 && scoring_.now < scoring_.expected_until;
  }
  std::uint32_t scarcity(const Node& node) const;
  // Thousandths of devices of the node that become of no use to what is likely to come, when a task
  // takes the devices at these positions: FGD's gradient, and what the task takes itself; at most
  // four times what it takes, so that no mix makes a price count for much more than it is.
  std::uint32_t stranded(const Node& node, Supply supply,
                         std::span<const std::size_t> positions) const;
  // The same on a node whose devices are free as a whole, `whole` of them, or not at all.
  std::uint32_t stranded(std::uint32_t whole) const;
  // No candidate of this price and speed on a node that lasts so likely ranks before this one.
  Candidate least(Micros device_hour, Micros disk_gb_hour, std::int64_t speed,
                  std::uint32_t lasting_ppm = kSurely) const;

  Rank rank(const Node& node, const Candidate& candidate) const;
  // The same where the node's reliability is known already.
  Rank rank(NodeId node, std::uint32_t reliability_ppm, const Candidate& candidate) const;
  // No node whose devices cost at least `device_hour` and are at most `speed` fast ranks before
  // this (where `speed` is not known, FASTEST and COST_TO_COMPLETE have no bound).
  Rank bound(Micros device_hour, std::int64_t speed) const;
  // The least device_hour whose devices alone cost a task at least `rate_hour`.
  Micros device_hour_from(Micros rate_hour) const;

  const Demand& demand() const { return demand_; }
  bool spot() const { return demand_.requirements.tier() == v1::SPOT; }
  Bracket term() const { return term_; }  // of the discounts that it gets
  v1::Objective objective() const { return objective_; }
  v1::WorkloadClass workload() const { return workload_; }  // by whose speeds it is ranked
  // No node with a dearer device meets the query's conditions on price.
  Micros device_hour_max() const { return device_hour_max_; }
  // The least of the price limits; the largest Micros when there is none.
  Micros rate_hour_max() const { return rate_hour_max_; }
  std::uint32_t gpus() const { return gpus_; }
  std::uint32_t share() const { return share_; }

 private:
  bool has_room(const Node& node, Supply supply) const;
  std::int64_t first_of(const Candidate& candidate) const;
  std::int64_t cost_to_complete(const Candidate& candidate, std::int64_t rate) const;
  std::int64_t weighed_rate(const Candidate& candidate) const;
  template <class Number>
  std::int64_t weighed(const Candidate& candidate) const;
  std::uint32_t added(std::int64_t before, std::int64_t after) const;

  const Demand& demand_;
  const Scoring& scoring_;
  v1::Objective objective_;
  v1::WorkloadClass workload_;
  std::size_t span_;
  std::uint32_t gpus_;
  std::uint32_t share_;
  Bracket term_;
  std::uint32_t disk_mb_;
  Micros rate_hour_max_;
  Micros device_hour_max_;
  std::uint32_t stranded_min_ = 0;          // no placement strands less
  std::uint32_t fragmentation_weight_ = 0;  // basis points, as far as they count for the demand
  std::uint32_t survival_weight_ = 0;
  std::uint32_t locality_weight_ = 0;
  std::uint32_t scarcity_weight_ = 0;
};

}  // namespace fallow::core
