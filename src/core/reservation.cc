#include "core/reservation.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "core/deadlines.h"
#include "core/gangs.h"
#include "core/meter.h"
#include "core/nodes.h"
#include "core/orders.h"
#include "core/run_mode.h"
#include "core/turns.h"

namespace fallow::core {
namespace {

// What a pull may add to the time of a start, of those who have an image to be pulled.
Duration pull_span(const v1::Policy& policy) {
  return Duration(policy.firm_turns() ? policy.pull_timeout_us() : 0);
}

// When a lease that does not run yet begins to at the latest. Whose node has said that the pull is
// over begins within start_timeout of that.
Time starts_by(const MarketState& state, const Lease& lease) {
  const bool has_image = !state.orders.find(lease.order)->workload.image().empty();
  const bool may_pull = has_image && (lease.state == v1::PLACED || lease.pulling);
  if (!may_pull) return lease.start_by;
  return std::max(lease.start_by, lease.placed_at + pull_span(state.policy) +
                                      Duration(state.policy.start_timeout_us()));
}

// When the lease has left its node at the latest, as far as its node keeps time and is heard of.
Time ends_by(const MarketState& state, const Lease& lease) {
  if (lease.state == v1::STOPPING) {
    return deadline_of(state, lease, *state.nodes.find(lease.node));
  }
  const Duration grace = stop_grace(state.policy, lease);
  const Time from =
      lease.started_at.us == 0 ? std::max(state.now, starts_by(state, lease)) : state.now;
  return from + std::max(lease.time_max - lease.proven, Duration(0)) + grace;
}

// The same of a lease of the demand that is placed now.
Time ends_by(const MarketState& state, const Demand& demand) {
  const Duration pull = demand.query.demands_images() ? pull_span(state.policy) : Duration(0);
  return state.now + pull + Duration(state.policy.start_timeout_us()) +
         Duration(demand.requirements.duration_us()) + Duration(state.policy.stop_grace_us());
}

// Of a node with more leases the others count as if they stayed.
constexpr std::size_t kLeasesLookedAtMax = 256;

// Its open leases, those first that leave first.
std::vector<std::pair<Time, const Lease*>> leaving(const MarketState& state, const Node& node) {
  std::vector<std::pair<Time, const Lease*>> leases;
  for (const LeaseId id : node.leases) {
    if (leases.size() == kLeasesLookedAtMax) break;
    const Lease& lease = *state.leases.find(id);
    leases.emplace_back(ends_by(state, lease), &lease);
  }
  std::sort(leases.begin(), leases.end(), [](const auto& a, const auto& b) {
    return std::pair(a.first, a.second->id) < std::pair(b.first, b.second->id);
  });
  return leases;
}

// When a task of the matcher's demand fits on the node at the latest; none: not by waiting.
std::optional<Time> free_at(const MarketState& state, const Matcher& matcher, const Node& node) {
  if (matcher.fit(node, Supply::kFree)) return state.now;
  if (!matcher.fit(node, Supply::kOffered)) return std::nullopt;
  if (node.leases.size() > kLeasesLookedAtMax) return std::nullopt;
  Node left = node;
  for (const auto& [at, lease] : leaving(state, node)) {
    give_back(left, *lease);
    if (matcher.fit(left, Supply::kFree)) return std::max(at, state.now);
  }
  return std::nullopt;
}

bool is_among(const std::vector<NodeId>& nodes, NodeId node) {
  return std::binary_search(nodes.begin(), nodes.end(), node);
}

// Nodes that were kept are anybody's now.
void set_free(MarketState& state, const std::vector<NodeId>& nodes) {
  for (const NodeId id : nodes) {
    const Node* const node = state.nodes.find(id);
    if (node != nullptr) node_gained(state, *node);
  }
}

// Of the big orders the one at the place is to be matched next, and may have the reservation.
void offer_reservation(MarketState& state, absl::btree_set<Turn>::const_iterator at) {
  state.reservation_next.reset();
  if (at == state.big_waiting.end()) return;
  state.reservation_next = *at;
  state.dirty.insert(*at);
}

// There is no reservation any more: who waits longest gets the next.
void pass_on(MarketState& state, const std::vector<NodeId>& nodes) {
  state.reservation.reset();
  set_free(state, nodes);
  offer_reservation(state, state.big_waiting.begin());
}

}  // namespace

bool is_big(const v1::Policy& policy, const Order& order) {
  const v1::Requirements& wanted = order.requirements;
  if (wanted.tier() == v1::SPOT || has_deadline(order)) return false;
  const std::uint64_t thousandths =
      std::uint64_t{gpus_of(wanted)} * nodes_of(wanted) * share_of(wanted);
  return policy.fair_turns() ? thousandths >= kWholeDevice : thousandths > kWholeDevice;
}

bool holds_reservation(const MarketState& state, const Order& order) {
  return state.reservation && state.reservation->order == order.id;
}

void pass_over(MarketState& state, const Turn& turn) {
  if (state.reservation_next != turn) return;
  offer_reservation(state, state.big_waiting.upper_bound(turn));
}

void reserve_for(MarketState& state, Order& order) {
  // Room on one node is the order's own; a gang needs others to stay free until all of it is made.
  if (state.reservation || !is_big(state.policy, order) || (order.claims > 0 && !is_gang(order)))
    return;
  const std::size_t nodes = nodes_of(order.requirements);
  const Demand& demand = demand_now(state, order);
  const Matcher matcher(demand);
  std::vector<std::pair<Time, NodeId>> found;
  for (const Placement& placement : state.book->list(demand, false, kReservationOffersMax)) {
    if (!takes_leases(*placement.node)) continue;
    if (const auto at = free_at(state, matcher, *placement.node)) {
      found.emplace_back(*at, placement.node->id);
    }
  }
  if (found.size() < nodes) return;
  // Of nodes that are free at the same moment the better offer.
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  state.reservation_next.reset();
  state.reservation_touched = true;
  Reservation& made = state.reservation.emplace();
  made.order = order.id;
  made.at = found[nodes - 1].first;
  for (std::size_t i = 0; i < nodes; ++i) made.nodes.push_back(found[i].second);
  std::sort(made.nodes.begin(), made.nodes.end());
}

void give_up_reservation(MarketState& state, const Order& order) {
  if (!holds_reservation(state, order)) return;
  const std::vector<NodeId> nodes = state.reservation->nodes;
  pass_on(state, nodes);
}

void follow_big_waiting(MarketState& state) {
  if (state.reservation_next && !state.big_waiting.contains(*state.reservation_next)) {
    offer_reservation(state, state.big_waiting.upper_bound(*state.reservation_next));
  }
  if (!state.reservation) return;
  const Order* const order = state.orders.find(state.reservation->order);
  if (order != nullptr && is_big(state.policy, *order)) return;
  const std::vector<NodeId> nodes = state.reservation->nodes;
  pass_on(state, nodes);
}

bool nodes_stand(const MarketState& state, const Reservation& kept, const Demand& demand) {
  const Matcher matcher(demand);
  return std::all_of(kept.nodes.begin(), kept.nodes.end(), [&](NodeId id) {
    const Node* const node = state.nodes.find(id);
    return node != nullptr && takes_leases(*node) &&
           matcher.fit(*node, Supply::kOffered).has_value();
  });
}

void touch_reservation(MarketState& state, NodeId node) {
  if (state.reservation && is_among(state.reservation->nodes, node)) {
    state.reservation_touched = true;
  }
}

void check_reservation(MarketState& state) {
  if (!state.reservation) return;
  Order* const order = state.orders.find(state.reservation->order);
  const bool waits = order != nullptr && order->turn != 0;
  if (waits && state.now <= state.reservation->at) {
    // What binds by a quote binds no longer when it is over.
    const bool changed = state.reservation_touched || order->quote_until.us != 0;
    if (!changed || nodes_stand(state, *state.reservation, demand_now(state, *order))) {
      state.reservation_touched = false;
      return;
    }
  }
  const Reservation before = *state.reservation;
  if (!waits) return pass_on(state, before.nodes);
  // What it has waited for stays its own: nobody comes between the old one and the new.
  state.reservation.reset();
  reserve_for(state, *order);
  if (!state.reservation) return pass_on(state, before.nodes);
  std::vector<NodeId> left;
  std::set_difference(before.nodes.begin(), before.nodes.end(), state.reservation->nodes.begin(),
                      state.reservation->nodes.end(), std::back_inserter(left));
  set_free(state, left);
}

bool is_kept(const MarketState& state, const Demand& demand, NodeId node, OrderId order) {
  return state.reservation && state.reservation->order != order &&
         is_among(state.reservation->nodes, node) && ends_by(state, demand) > state.reservation->at;
}

Duration longer_beside_reservation(const MarketState& state, const Order& order) {
  if (!state.reservation || state.reservation->order == order.id) return kTimeUnbounded;
  const Reservation& kept = *state.reservation;
  const Matcher owner(state.orders.find(kept.order)->demand);
  // What ends later than the promised moment leaves nothing for it.
  const bool counts_all = !state.policy.firm_turns();
  Duration longest = kTimeUnbounded;
  for (const NodeId id : kept.nodes) {
    const Node& node = *state.nodes.find(id);
    Node left = node;  // as it would be then if only the order's leases stayed
    Duration spare = kTimeUnbounded;
    for (const auto& [at, lease] : leaving(state, node)) {
      if (lease->order == order.id && lease->state != v1::STOPPING) {
        spare = std::min(spare, std::max(kept.at - at, Duration(0)));
      } else if (counts_all || at <= kept.at) {
        give_back(left, *lease);
      }
    }
    if (spare < longest && !owner.fit(left, Supply::kFree)) longest = spare;
  }
  return longest;
}

bool takes_reserved(const MarketState& state, const Demand& demand, NodeId node_id, OrderId order) {
  if (!is_kept(state, demand, node_id, order)) return false;
  const Reservation& kept = *state.reservation;
  // As the reservation's order will find it, but for this one.
  const Node& node = *state.nodes.find(node_id);
  const Matcher matcher(demand);
  Node left = node;
  for (const std::size_t at : matcher.choose(node, Supply::kFree)) {
    left.devices[at].free_thousandths -= matcher.share();
  }
  left.cpu_thousandths_used += demand.requirements.cpu_thousandths();
  left.memory_mb_used += demand.requirements.memory_mb();
  left.disk_mb_used += demand.requirements.disk_mb();
  refresh_free(left);
  for (const auto& [at, lease] : leaving(state, node)) {
    if (at <= kept.at) give_back(left, *lease);
  }
  const Matcher owner(state.orders.find(kept.order)->demand);
  return !owner.fit(left, Supply::kFree).has_value();
}

namespace {

// The reserved nodes that a task of the demand may not have.
std::vector<NodeId> kept_from(const MarketState& state, const Demand& demand, OrderId order) {
  std::vector<NodeId> kept;
  if (!state.reservation) return kept;
  for (const NodeId node : state.reservation->nodes) {
    if (takes_reserved(state, demand, node, order)) kept.push_back(node);
  }
  return kept;
}

}  // namespace

std::optional<Placement> match_around(const MarketState& state, Demand& demand, OrderId order,
                                      std::span<const NodeId> taken) {
  demand.barred = taken;
  std::optional<Placement> placement = state.book->match(demand);
  demand.barred = {};
  if (!placement || !takes_reserved(state, demand, placement->node->id, order)) return placement;
  // Once more around all that is kept, so that it is never more than two searches.
  std::vector<NodeId> barred = kept_from(state, demand, order);
  barred.insert(barred.end(), taken.begin(), taken.end());
  demand.barred = barred;
  placement = state.book->match(demand);
  demand.barred = {};
  return placement;
}

std::vector<Placement> match_gang_around(const MarketState& state, Demand& demand, OrderId order,
                                         std::span<const NodeId> taken) {
  std::vector<NodeId> barred = kept_from(state, demand, order);
  barred.insert(barred.end(), taken.begin(), taken.end());
  demand.barred = barred;
  std::vector<Placement> gang = state.book->match_gang(demand);
  demand.barred = {};
  return gang;
}

}  // namespace fallow::core
