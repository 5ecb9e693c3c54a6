#include "core/schedule.h"

#include <algorithm>

#include "base/check.h"
#include "base/money.h"
#include "core/leases.h"
#include "core/meter.h"
#include "core/nodes.h"
#include "core/orders.h"

namespace fallow::core {
namespace {

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

// Places the order's first waiting task, or says why not. A task that the rest of the budget
// cannot pay for fails.
Outcome place_one(Step& step, Order& order, Work& work) {
  MarketState& state = step.state;
  if (state.leases_open >= state.limits.leases_open_max) return Outcome::kNotPlaced;
  const std::uint32_t index = first_waiting(order);
  const Task& task = order.tasks[index];
  --work.matches;
  const std::optional<Placement> placement = match(state, order, task);
  if (!placement) return Outcome::kNotPlaced;

  const Duration remaining = remaining_time(order, task);
  const Micros unassigned = order.held - order.assigned;
  Micros hold = price_of(placement->rate_hour, remaining);
  Duration time_max = remaining;
  if (hold > unassigned) {
    // Money of this order's other leases may come back: the task waits for it rather than starting
    // with less. With none of them open, what is left is all there will ever be.
    if (order.leased > 0) return Outcome::kNotPlaced;
    hold = unassigned;
    time_max = time_for(hold, placement->rate_hour);
    if (time_max < std::min(remaining, kTimeMin)) {
      set_task_state(step, order, index, v1::FAILED);
      end_if_over(step, order);
      return Outcome::kNotPlaced;
    }
  }
  --work.placements;
  const bool was_dirty = state.dirty.contains(turn_of(order));
  state.turn = std::max(state.turn, order.turn);
  place_lease(step, order, index, *placement, hold, time_max);
  if (order.turn != 0) {
    state.waiting.erase(turn_of(order));
    state.dirty.erase(turn_of(order));
    next_turn(state, order);
    state.waiting.insert(turn_of(order));
    if (was_dirty) state.dirty.insert(turn_of(order));
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

// Tests the waiting orders against the node from `from` on. Says whether it came to the end.
bool fill_node(Step& step, const Node& node, Turn& from, Work& work) {
  MarketState& state = step.state;
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
  return true;
}

}  // namespace

void wait_for_match(MarketState& state, Order& order) {
  if (order.turn == 0) {
    next_turn(state, order);
    state.waiting.insert(turn_of(order));
  }
  state.dirty.insert(turn_of(order));
}

void leave_waiting(MarketState& state, Order& order) {
  if (order.turn == 0) return;
  state.waiting.erase(turn_of(order));
  state.dirty.erase(turn_of(order));
  order.turn = 0;
}

void node_gained(MarketState& state, const Node& node) {
  if (!state.waiting.empty() && takes_leases(node)) state.fresh[node.id] = Turn{};
}

void all_waiting_anew(MarketState& state) { state.dirty = state.waiting; }

bool schedule_pending(const MarketState& state) {
  return !state.fresh.empty() || !state.dirty.empty();
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
}

}  // namespace fallow::core
