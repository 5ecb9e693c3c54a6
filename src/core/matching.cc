#include "core/matching.h"

#include <algorithm>

#include "core/gangs.h"
#include "core/orders.h"
#include "core/reservation.h"
#include "core/run_mode.h"
#include "core/turns.h"

namespace fallow::core {
namespace {

// For one task of the order or for a gang, around nodes that are `taken`.
std::vector<Placement> places_for(const MarketState& state, Demand& demand, const Order& order,
                                  std::span<const NodeId> taken = {}) {
  if (is_gang(order)) return match_gang_around(state, demand, order.id, taken);
  std::vector<Placement> found;
  if (auto placement = match_around(state, demand, order.id, taken)) {
    found.push_back(*std::move(placement));
  }
  return found;
}

// Those who wait longer are still to be tested against one of these nodes.
bool are_fresh(const MarketState& state, const std::vector<Placement>& placements) {
  return std::any_of(placements.begin(), placements.end(), [&](const Placement& placement) {
    return state.fresh.contains(placement.node->id);
  });
}

// Of fresh nodes so many are searched around, those found first among them: two searches at most.
constexpr std::size_t kFreshBarredMax = 64;

std::vector<Placement> places_around_fresh(const MarketState& state, Demand& demand,
                                           const Order& order,
                                           const std::vector<Placement>& first) {
  std::vector<NodeId> taken;
  for (const Placement& placement : first) taken.push_back(placement.node->id);
  for (const auto& [node, unused] : state.fresh) {
    if (taken.size() >= kFreshBarredMax) break;
    taken.push_back(node);
  }
  std::erase_if(taken, [&](NodeId node) { return !state.fresh.contains(node); });
  std::vector<Placement> found = places_for(state, demand, order, taken);
  if (are_fresh(state, found)) found.clear();
  return found;
}

// Asks the book as the order's quote and the tasks' history want it: for one task, or for the gang
// that begins with it. Who asks for no less than another who just found nothing finds nothing
// either: nodes to be avoided decide which place is taken, not whether there is one.
std::vector<Placement> match(MarketState& state, Order& order, std::uint32_t task, Work& work) {
  Demand& demand = demand_now(state, order);
  const std::uint64_t number = state.waiting.search();
  const bool plain = is_plain(state, order);
  if (plain && !holds_reservation(state, order) &&
      state.places_missed.find(number, demand) != nullptr) {
    return {};
  }
  const std::vector<NodeId> avoid = avoided_by(order, task);
  demand.avoid = avoid;
  std::vector<Placement> found = places_for(state, demand, order);
  const bool misses = found.empty();
  if (work.around_fresh && are_fresh(state, found)) {
    found = places_around_fresh(state, demand, order, found);
    work.held_back = work.held_back || found.empty();
  }
  demand.avoid = {};
  if (misses && plain) state.places_missed.add(number, demand);
  return found;
}

// Is there an offer that would take the order, which asks for spot, if it were free?
bool may_come(const MarketState& state, Order& order) {
  Demand& demand = demand_now(state, order);
  demand.at_floor = true;
  const bool possible = state.book->possible(demand);
  demand.at_floor = false;
  return possible;
}

}  // namespace

std::vector<Placement> match_as_one(MarketState& state, Order& order, std::uint32_t task,
                                    Work& work) {
  const bool as_others =
      order.group != nullptr && is_plain(state, order) && !holds_reservation(state, order);
  if (!as_others) return match(state, order, task, work);
  const std::uint64_t number = state.waiting.search();
  if (order.group->unmatched == number) return {};
  std::vector<Placement> found = match(state, order, task, work);
  if (found.empty() && !work.held_back) order.group->unmatched = number;
  return found;
}

bool makes_room(const MarketState& state, const Node& node, OrderId order) {
  return std::any_of(node.leases.begin(), node.leases.end(), [&](LeaseId id) {
    const OrderId claimant = state.leases.find(id)->claimant;
    return claimant && claimant != order;
  });
}

std::vector<Placement> match_by_deadline(MarketState& state, Order& order, std::uint32_t task,
                                         Work& work, bool& outbids) {
  change_tier(state, order, true);
  std::vector<Placement> spot;
  const bool cools_down = state.now < order.spot_after;
  if (!cools_down) spot = match(state, order, task, work);
  const Task& waiting = order.tasks[task];
  if (state.policy.firm_turns() && spot.empty() && work.held_back) {
    // There is spot, on a node in its test: that is no time without any, and nobody is outbid. On
    // spot it would be asked again when the interval ends only, on_demand it is in every command.
    outbids = false;
    change_tier(state, order, false);
    if (can_wait_for_spot(state, order, waiting)) return {};
    work.match(1);
    return match(state, order, task, work);
  }
  outbids = !cools_down && spot.empty();
  if (!spot.empty() && makes_room(state, *spot.front().node, order.id)) spot.clear();
  if (outbids && !may_come(state, order)) {
    work.match(1);  // nobody offers spot: there is nothing to wait for
  } else if (cools_down) {
    if (choose_tier_in_cool_down(state, order, waiting) == v1::SPOT) return {};
  } else if (choose_tier(state, order, waiting, spot.empty() ? nullptr : &spot.front().rate_hour) ==
             v1::SPOT) {
    return spot;
  }
  change_tier(state, order, false);
  work.match(1);
  std::vector<Placement> on_demand = match(state, order, task, work);
  outbids = true;
  if (!on_demand.empty() || spot.empty()) return on_demand;
  // Late on spot is better than not at all.
  change_tier(state, order, true);
  return spot;
}

}  // namespace fallow::core
