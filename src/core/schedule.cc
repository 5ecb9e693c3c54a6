#include "core/schedule.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "base/money.h"
#include "core/egress.h"
#include "core/gangs.h"
#include "core/leases.h"
#include "core/matching.h"
#include "core/meter.h"
#include "core/nodes.h"
#include "core/orders.h"
#include "core/placement.h"
#include "core/reservation.h"
#include "core/retry.h"
#include "core/run_mode.h"
#include "core/spot.h"
#include "core/takers.h"
#include "core/turns.h"

namespace fallow::core {
namespace {

// One command may end many leases; beyond this claimants are matched as everybody is.
constexpr std::uint64_t kRoomsPerCommandMax = kIdsPerCommand / 2;
// A hold that pays for less is not worth a start.
constexpr Duration kTimeMin = seconds(1);

enum class Outcome { kPlaced, kNotPlaced, kHeldBack, kNextCommand };

// What the members of a gang, or one task, take of the order's hold.
struct Share {
  Micros rate;
  Micros egress;  // of the hold, for what it sends
  Micros hold;
  Duration time_max;
};

// As much of each task's time as the unassigned money pays for, the same for all; what they may
// send is set aside first, and where not even that is covered they get no time. Empty: of the
// order's other leases money may come back, and the tasks wait for it rather than starting with
// less.
std::vector<Share> shares_of(const Order& order, std::uint32_t first,
                             const std::vector<Placement>& placements) {
  std::vector<Share> shares;
  Wide rates = 0;
  Wide egresses = 0;
  Wide holds = 0;
  for (const Placement& placement : placements) {
    const Task& task = order.tasks[first + shares.size()];
    const Duration remaining = remaining_time(order, task);
    const Micros egress = price_of_bytes(placement.egress_gb, egress_left(order, task));
    // A spot lease holds what its bid comes to.
    const Micros rate = is_spot(order)
                            ? rate_of(order.requirements,
                                      spot_bid(order.demand.requirements, placement.disk_gb_hour),
                                      placement.disk_gb_hour)
                            : placement.rate_hour;
    shares.push_back({rate, egress, price_of(rate, remaining) + egress, remaining});
    rates += rate.value;
    egresses += egress.value;
    holds += shares.back().hold.value;
  }
  const Micros unassigned = order.held - order.assigned;
  if (holds <= unassigned.value) return shares;
  if (order.leased > 0) return {};
  constexpr Wide kMax = std::numeric_limits<std::int64_t>::max();
  if (egresses > unassigned.value) {
    for (Share& share : shares) share.time_max = Duration(0);
    return shares;
  }
  const Micros of_time = unassigned - Micros(static_cast<std::int64_t>(egresses));
  const Duration time = time_for(of_time, Micros(static_cast<std::int64_t>(std::min(rates, kMax))));
  for (Share& share : shares) {
    // One task takes all there is, gangs share it by what they cost.
    const Micros part = shares.size() == 1 ? of_time : price_of(share.rate, time);
    if (share.hold - share.egress <= part) continue;
    share.hold = part + share.egress;
    share.time_max = time_for(part, share.rate);
  }
  return shares;
}

// Places the order's first waiting task or gang, or says why not. What the rest of the budget
// cannot pay for fails.
Outcome place_one(Step& step, Order& order, Work& work) {
  MarketState& state = step.state;
  const std::uint32_t nodes = nodes_of(order.requirements);
  if (state.leases_open + nodes > state.limits.leases_open_max) return Outcome::kNotPlaced;
  // Tried at each interval's end.
  if (state.now < order.spot_after && !has_deadline(order)) return Outcome::kNotPlaced;
  const auto first = next_placeable(order);
  if (!first) return Outcome::kNotPlaced;
  if (!work.has_room(nodes)) return Outcome::kNextCommand;
  work.match(nodes > 1 ? kGangMatches : 1);
  work.held_back = false;
  bool outbids = true;
  const std::vector<Placement> placements =
      has_deadline(order) ? match_by_deadline(state, order, *first, work, outbids)
                          : match_as_one(state, order, *first, work);
  if (placements.empty() && work.held_back) return Outcome::kHeldBack;
  if (placements.empty()) {
    if (outbids) make_room(step, order, order.tasks[*first]);
    // Where no node could ever serve it there is none to keep, and no search is spent on it.
    const bool may_be_kept =
        !state.policy.firm_turns() || state.book->possible(demand_now(state, order));
    if (is_big(state.policy, order) && !state.reservation && may_be_kept) {
      work.match(kGangMatches);
      reserve_for(state, order);
    }
    return Outcome::kNotPlaced;
  }
  state.waiting.begin_search();

  if (is_spot(order) && makes_room(state, *placements.front().node, order.id)) {
    return Outcome::kNotPlaced;
  }

  const std::vector<Share> shares = shares_of(order, *first, placements);
  const auto too_short = [&](const Share& share) {
    const Task& task = order.tasks[*first + static_cast<std::size_t>(&share - shares.data())];
    return share.time_max < std::min(remaining_time(order, task), kTimeMin);
  };
  if (shares.empty() || std::any_of(shares.begin(), shares.end(), too_short)) {
    give_up_reservation(state, order);
    if (shares.empty()) return Outcome::kNotPlaced;
    for (std::uint32_t at = *first; at < *first + nodes; ++at) {
      set_task_state(step, order, at, v1::FAILED);
    }
    end_if_over(step, order);
    if (order.turn == 0) return Outcome::kNotPlaced;
    wait_for_match(state, order);  // what is left of it fails likewise, or is cheaper
    return Outcome::kPlaced;
  }
  work.place(nodes);
  const bool was_dirty = is_dirty(state, order);
  state.turn = std::max(state.turn, order.turn);
  for (std::uint32_t i = 0; i < nodes; ++i) {
    place_lease(step, order, *first + i, placements[i], shares[i].hold, shares[i].time_max);
  }
  if (order.turn != 0) {
    move_back(state, order);
    if (was_dirty) set_dirty(state, order);
  }
  give_up_reservation(state, order);
  return Outcome::kPlaced;
}

bool has_free_device(const Node& node) {
  return std::any_of(node.devices.begin(), node.devices.end(),
                     [](const NodeDevice& device) { return device.free_thousandths > 0; });
}

// The cursor of a node whom only spot orders are still to be tested against.
constexpr Turn kBehindAll{std::numeric_limits<std::uint64_t>::max(), OrderId()};
// Of a node's gain so many spot orders are tested, the highest bids; the others when the interval
// ends. A test may cost a match, and more of a gang or with a deadline. The tests have no cursor
// and begin anew in the next command, so they end where a command had all that one may do for them.
constexpr std::size_t kSpotTestsMax = 256;

// Says whether it came to the end.
bool fill_with_spot(Step& step, const Node& node, Work& work) {
  MarketState& state = step.state;
  SpotTurn from{std::numeric_limits<std::int64_t>::min(), {}};
  std::size_t tests = std::min<std::size_t>(kSpotTestsMax, state.limits.matches_per_command_max);
  const bool has_all = state.policy.fair_turns() && work.matches == work.matches_given;
  for (auto at = state.spot_waiting.lower_bound(from); at != state.spot_waiting.end() && tests > 0;
       at = state.spot_waiting.lower_bound(from)) {
    if (!takes_leases(node) || !has_free_device(node)) return true;
    if (!work.left()) return has_all && work.placements > 0;
    --tests;
    from = {at->bid_turned, {at->turn.turn, OrderId(at->turn.order.value + 1)}};
    Order& order = *state.orders.find(at->turn.order);
    if (!could_take(state, node, order)) continue;
    if (place_one(step, order, work) == Outcome::kNextCommand) return false;
  }
  return true;
}

// Tests the waiting orders against the node from `from` on. Says whether it came to the end.
bool fill_node(Step& step, const Node& node, Turn& from, Work& work) {
  MarketState& state = step.state;
  if (node.offer.spot && from == kBehindAll) return fill_with_spot(step, node, work);
  Takers takers(state, node);
  for (;;) {
    const std::size_t before = state.waiting.rank(from);
    const std::size_t left = state.waiting.size() - before;
    if (left == 0) break;
    if (!takes_leases(node) || !has_free_device(node)) return true;
    if (!work.left() || work.tests == 0) return false;
    // Each of them counts as tested, so that groups change nothing of what a command does.
    const std::size_t window = std::min(left, work.tests);
    const std::optional<Turn> taker = takers.first(from, window);
    work.tests -= taker ? state.waiting.rank(*taker) - before + 1 : window;
    // Behind this one: what is placed moves further back and is met again.
    const Turn own = taker ? *taker : state.waiting.at(before + window - 1);
    from = behind(own);
    if (!taker) continue;
    if (place_one(step, *state.orders.find(own.order), work) == Outcome::kNextCommand) {
      from = own;
      return false;
    }
  }
  if (!node.offer.spot || state.spot_waiting.empty()) return true;
  from = kBehindAll;
  return fill_with_spot(step, node, work);
}

}  // namespace

void take_room(Step& step, OrderId claimant) {
  Order* const order = step.state.orders.find(claimant);
  if (order == nullptr || order->state != v1::OPEN) return;
  FALLOW_CHECK(order->claims > 0, "order {} has no claim left", claimant.value);
  if (--order->claims > 0 || !has_ready(*order)) return;
  if (step.ids_used >= kRoomsPerCommandMax) return wait_for_match(step.state, *order);
  Work work{1, 1, 0};
  step.state.waiting.begin_search();
  place_one(step, *order, work);
}

bool schedule_pending(const MarketState& state) {
  return !state.fresh.empty() || !state.dirty.empty() || !state.spot_dirty.empty();
}

namespace {

// Tests fresh nodes from state.fresh_from on, round and round, as long as there is work; without
// fair turns always the lowest id. Says whether none is left.
bool test_fresh(Step& step, Work& work) {
  MarketState& state = step.state;
  const bool fair = state.policy.fair_turns();
  while (!state.fresh.empty()) {
    auto first = fair ? state.fresh.lower_bound(state.fresh_from) : state.fresh.begin();
    if (first == state.fresh.end()) first = state.fresh.begin();
    const NodeId id = first->first;
    Turn from = first->second;
    // While it is tested it may become fresh again: when it is reserved no more.
    state.fresh.erase(first);
    const Node* const node = state.nodes.find(id);
    const bool done = node == nullptr || fill_node(step, *node, from, work);
    if (!done) {
      const bool is_new = state.fresh.emplace(id, from).second;
      if (fair) state.fresh_from = id;
      if (fair && !is_new) {
        state.fresh[id] = from;
        if (from != Turn{}) state.fresh_again.insert(id);
      }
      return false;
    }
    if (fair) state.fresh_from = NodeId(id.value + 1);
    if (state.fresh_again.erase(id) > 0) state.fresh[id] = Turn{};
  }
  return true;
}

// Matches the dirty ones in their turn. Who is held back stays dirty, and the others come before it
// once. Says whether there was work enough.
bool serve_dirty(Step& step, Work& work) {
  MarketState& state = step.state;
  std::size_t held_back = 0;  // of those that are there still
  while (state.dirty.size() > held_back) {
    if (!work.left()) return false;
    auto at = state.dirty.lower_bound(state.dirty_from);
    if (at == state.dirty.end()) at = state.dirty.begin();
    const Turn turn = *at;
    Order& order = *state.orders.find(turn.order);
    const Outcome outcome = place_one(step, order, work);
    if (outcome == Outcome::kNextCommand) return false;
    if (outcome == Outcome::kHeldBack) {
      if (state.dirty.contains(turn)) ++held_back;  // with a deadline it may ask for spot by now
      state.dirty_from = behind(turn);
    }
    if (outcome == Outcome::kNotPlaced) {
      set_clean(state, turn, order);
      pass_over(state, turn);
    }
  }
  if (held_back == 0) state.dirty_from = Turn{};
  return true;
}

// Likewise of spot. Who is held back there is tested with the node, or when the interval ends.
void serve_spot(Step& step, Work& work) {
  MarketState& state = step.state;
  while (!state.spot_dirty.empty()) {
    if (!work.left()) return;
    const SpotTurn turn = *state.spot_dirty.begin();
    Order& order = *state.orders.find(turn.turn.order);
    const Outcome outcome = place_one(step, order, work);
    if (outcome == Outcome::kNextCommand) return;
    if (outcome == Outcome::kPlaced) continue;
    state.spot_dirty.erase(turn);
    // One with a deadline asks for on_demand then, and waits among those.
    if (outcome != Outcome::kHeldBack) set_clean(state, turn.turn, order);
  }
}

}  // namespace

void schedule(Step& step) {
  MarketState& state = step.state;
  check_reservation(state);
  state.waiting.begin_command();
  Work work{state.limits.placements_per_command_max, state.limits.matches_per_command_max,
            state.limits.tests_per_command_max};
  if (state.policy.fair_turns()) {
    const Work given = work.part();
    Work part = given;
    work.around_fresh = !test_fresh(step, part);
    work.spend(given, part);
  } else if (!test_fresh(step, work)) {
    return;
  }
  if (state.dirty.size() >= state.limits.waiting_grouped_min) {
    (void)gather_waiting(state);  // who is in no group is searched for alone
  }
  if (serve_dirty(step, work)) serve_spot(step, work);
}

}  // namespace fallow::core
