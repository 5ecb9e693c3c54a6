#include "core/schedule.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "base/money.h"
#include "core/leases.h"
#include "core/meter.h"
#include "core/nodes.h"
#include "core/orders.h"
#include "core/placement.h"
#include "core/spot.h"

namespace fallow::core {
namespace {

// One command may end many leases; beyond this claimants are matched as everybody is.
constexpr std::uint64_t kRoomsPerCommandMax = kIdsPerCommand / 2;
// A hold that pays for less is not worth a start.
constexpr Duration kTimeMin = seconds(1);

// What one command may do.
struct Work {
  std::size_t placements;
  std::size_t matches;
  std::size_t tests;
  bool left() const { return placements > 0 && matches > 0; }
};

enum class Outcome { kPlaced, kNotPlaced };

Turn turn_of(const Order& order) { return {order.turn, order.id}; }

bool is_spot(const Order& order) { return order.requirements.tier() == v1::SPOT; }

SpotTurn spot_turn_of(const Order& order) {
  return {-spot_bid(order.requirements, Micros(0)).value, turn_of(order)};
}

bool is_dirty(const MarketState& state, const Order& order) {
  return is_spot(order) ? state.spot_dirty.contains(spot_turn_of(order))
                        : state.dirty.contains(turn_of(order));
}

void set_dirty(MarketState& state, const Order& order) {
  if (is_spot(order)) {
    state.spot_dirty.insert(spot_turn_of(order));
  } else {
    state.dirty.insert(turn_of(order));
  }
}

// Its turn is set.
void enter(MarketState& state, const Order& order) {
  if (is_spot(order)) {
    state.spot_waiting.insert(spot_turn_of(order));
  } else {
    state.waiting.insert(turn_of(order));
  }
}

void leave(MarketState& state, const Order& order) {
  if (is_spot(order)) {
    state.spot_waiting.erase(spot_turn_of(order));
    state.spot_dirty.erase(spot_turn_of(order));
  } else {
    state.waiting.erase(turn_of(order));
    state.dirty.erase(turn_of(order));
  }
}

void next_turn(MarketState& state, Order& order) {
  Account& account = *state.accounts.find(order.account);
  order.turn = std::max(state.turn, account.turn) + 1;
  account.turn = order.turn;
}

std::uint32_t first_waiting(Order& order) {
  while (order.tasks[order.waiting_from].state != v1::WAITING) ++order.waiting_from;
  return order.waiting_from;
}

// Asks the book as the order's quote and the task's history want it.
std::optional<Placement> match(const MarketState& state, Order& order, const Task& task) {
  Demand& demand = order.demand;
  demand.quoted_at = state.now < order.quote_until ? order.quoted_at : Time{};
  demand.avoid = task.avoid;
  std::optional<Placement> placement = state.book->match(demand);
  demand.avoid = {};
  return placement;
}

// Do leases leave the node for another order? What they free one by one is not for spot.
bool makes_room(const MarketState& state, const Node& node, OrderId order) {
  return std::any_of(node.leases.begin(), node.leases.end(), [&](LeaseId id) {
    const OrderId claimant = state.leases.find(id)->claimant;
    return claimant && claimant != order;
  });
}

// Places the order's first waiting task, or says why not. A task that the rest of the budget
// cannot pay for fails.
Outcome place_one(Step& step, Order& order, Work& work) {
  MarketState& state = step.state;
  if (state.leases_open >= state.limits.leases_open_max) return Outcome::kNotPlaced;
  if (state.now < order.spot_after) return Outcome::kNotPlaced;  // tried at each interval's end
  const std::uint32_t index = first_waiting(order);
  const Task& task = order.tasks[index];
  --work.matches;
  const std::optional<Placement> placement = match(state, order, task);
  if (!placement) {
    make_room(step, order, task);
    return Outcome::kNotPlaced;
  }

  if (is_spot(order) && makes_room(state, *placement->node, order.id)) return Outcome::kNotPlaced;

  const Duration remaining = remaining_time(order, task);
  const Micros unassigned = order.held - order.assigned;
  // A spot lease holds what its bid comes to.
  const Micros rate =
      is_spot(order)
          ? rate_of(order.requirements, spot_bid(order.requirements, placement->disk_gb_hour),
                    placement->disk_gb_hour)
          : placement->rate_hour;
  Micros hold = price_of(rate, remaining);
  Duration time_max = remaining;
  if (hold > unassigned) {
    // Money of this order's other leases may come back: the task waits for it rather than starting
    // with less. With none of them open, what is left is all there will ever be.
    if (order.leased > 0) return Outcome::kNotPlaced;
    hold = unassigned;
    time_max = time_for(hold, rate);
    if (time_max < std::min(remaining, kTimeMin)) {
      set_task_state(step, order, index, v1::FAILED);
      end_if_over(step, order);
      return Outcome::kNotPlaced;
    }
  }
  --work.placements;
  const bool was_dirty = is_dirty(state, order);
  state.turn = std::max(state.turn, order.turn);
  place_lease(step, order, index, *placement, hold, time_max);
  if (order.turn != 0) {
    leave(state, order);
    next_turn(state, order);
    enter(state, order);
    if (was_dirty) set_dirty(state, order);
  }
  return Outcome::kPlaced;
}

bool has_free_device(const Node& node) {
  return std::any_of(node.devices.begin(), node.devices.end(),
                     [](const NodeDevice& device) { return device.free_thousandths > 0; });
}

bool could_take(const MarketState& state, const Node& node, Order& order) {
  Demand& demand = order.demand;
  demand.quoted_at = state.now < order.quote_until ? order.quoted_at : Time{};
  return tasks_that_fit(demand, node, 1) > 0;
}

// The cursor of a node whom only spot orders are still to be tested against.
constexpr Turn kBehindAll{std::numeric_limits<std::uint64_t>::max(), OrderId()};
// Of a node's gain so many spot orders are tested, the highest bids; the others when the interval
// ends. A test may cost a match: a node's tests have to fit into one command's matches, because
// they have no cursor and begin anew in the next one.
constexpr std::size_t kSpotTestsMax = 256;

// Says whether it came to the end.
bool fill_with_spot(Step& step, const Node& node, Work& work) {
  MarketState& state = step.state;
  SpotTurn from{std::numeric_limits<std::int64_t>::min(), {}};
  std::size_t tests = std::min<std::size_t>(kSpotTestsMax, state.limits.matches_per_command_max);
  for (auto at = state.spot_waiting.lower_bound(from); at != state.spot_waiting.end() && tests > 0;
       at = state.spot_waiting.lower_bound(from)) {
    if (!takes_leases(node) || !has_free_device(node)) return true;
    if (!work.left()) return false;
    --tests;
    from = {at->bid_turned, {at->turn.turn, OrderId(at->turn.order.value + 1)}};
    Order& order = *state.orders.find(at->turn.order);
    if (could_take(state, node, order)) place_one(step, order, work);
  }
  return true;
}

// Tests the waiting orders against the node from `from` on. Says whether it came to the end.
bool fill_node(Step& step, const Node& node, Turn& from, Work& work) {
  MarketState& state = step.state;
  if (node.offer.spot && from == kBehindAll) return fill_with_spot(step, node, work);
  for (auto at = state.waiting.lower_bound(from); at != state.waiting.end();
       at = state.waiting.lower_bound(from)) {
    if (!takes_leases(node) || !has_free_device(node)) return true;
    if (!work.left() || work.tests == 0) return false;
    --work.tests;
    Order& order = *state.orders.find(at->order);
    // Behind this one: what is placed moves further back and is met again.
    from = Turn{at->turn, OrderId(at->order.value + 1)};
    if (could_take(state, node, order)) place_one(step, order, work);
  }
  if (!node.offer.spot || state.spot_waiting.empty()) return true;
  from = kBehindAll;
  return fill_with_spot(step, node, work);
}

}  // namespace

void wait_for_match(MarketState& state, Order& order) {
  if (order.turn == 0) {
    next_turn(state, order);
    enter(state, order);
  }
  set_dirty(state, order);
}

void leave_waiting(MarketState& state, Order& order) {
  if (order.turn == 0) return;
  leave(state, order);
  order.turn = 0;
}

void restore_waiting(MarketState& state, const Order& order) { enter(state, order); }

void node_gained(MarketState& state, const Node& node) {
  const bool anybody = !state.waiting.empty() || !state.spot_waiting.empty();
  if (anybody && takes_leases(node)) state.fresh[node.id] = Turn{};
}

void all_waiting_anew(MarketState& state) {
  state.dirty = state.waiting;
  state.spot_dirty = state.spot_waiting;
}

void take_room(Step& step, OrderId claimant) {
  Order* const order = step.state.orders.find(claimant);
  if (order == nullptr || order->state != v1::OPEN) return;
  FALLOW_CHECK(order->claims > 0, "order {} has no claim left", claimant.value);
  if (--order->claims > 0 || order->waiting == 0) return;
  if (step.ids_used >= kRoomsPerCommandMax) return wait_for_match(step.state, *order);
  Work work{1, 1, 0};
  place_one(step, *order, work);
}

bool schedule_pending(const MarketState& state) {
  return !state.fresh.empty() || !state.dirty.empty() || !state.spot_dirty.empty();
}

void schedule(Step& step) {
  MarketState& state = step.state;
  Work work{state.limits.placements_per_command_max, state.limits.matches_per_command_max,
            state.limits.tests_per_command_max};
  while (!state.fresh.empty()) {
    const auto first = state.fresh.begin();
    const NodeId id = first->first;
    Turn from = first->second;
    const Node* const node = state.nodes.find(id);
    const bool done = node == nullptr || fill_node(step, *node, from, work);
    if (!done) {
      state.fresh[id] = from;
      return;
    }
    state.fresh.erase(id);
  }
  while (!state.dirty.empty()) {
    if (!work.left()) return;
    const Turn turn = *state.dirty.begin();
    Order& order = *state.orders.find(turn.order);
    if (place_one(step, order, work) == Outcome::kNotPlaced) state.dirty.erase(turn);
  }
  while (!state.spot_dirty.empty()) {
    if (!work.left()) return;
    const SpotTurn turn = *state.spot_dirty.begin();
    Order& order = *state.orders.find(turn.turn.order);
    if (place_one(step, order, work) == Outcome::kNotPlaced) state.spot_dirty.erase(turn);
  }
}

}  // namespace fallow::core
