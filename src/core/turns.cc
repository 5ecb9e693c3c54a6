#include "core/turns.h"

#include <algorithm>

#include "core/gangs.h"
#include "core/nodes.h"
#include "core/placement.h"
#include "core/reservation.h"
#include "core/run_mode.h"
#include "core/spot.h"

namespace fallow::core {
namespace {

Turn turn_of(const Order& order) { return {order.turn, order.id}; }

SpotTurn spot_turn_of(const Order& order) {
  return {-spot_bid(order.demand.requirements, Micros(0)).value, turn_of(order)};
}

// Its turn is set.
void enter(MarketState& state, const Order& order) {
  if (is_spot(order)) {
    state.spot_waiting.insert(spot_turn_of(order));
  } else {
    state.waiting.insert(turn_of(order));
    if (is_big(state.policy, order)) state.big_waiting.insert(turn_of(order));
    if (is_gang(order)) state.gangs_waiting.insert(turn_of(order));
  }
}

void leave(MarketState& state, Order& order) {
  if (is_spot(order)) {
    state.spot_waiting.erase(spot_turn_of(order));
    state.spot_dirty.erase(spot_turn_of(order));
  } else {
    state.waiting.erase(turn_of(order), order);
    state.dirty.erase(turn_of(order));
    state.big_waiting.erase(turn_of(order));
    state.gangs_waiting.erase(turn_of(order));
    pass_over(state, turn_of(order));
  }
}

void next_turn(MarketState& state, Order& order) {
  Account& account = *state.accounts.find(order.account);
  order.turn = std::max(state.turn, account.turn) + 1;
  account.turn = order.turn;
}

// Changes what the order asks the book for, by `change`; its turn stays.
template <class Change>
void change_demand(MarketState& state, Order& order, const Change& change) {
  const std::uint64_t turn = order.turn;
  const bool waits = turn != 0;
  const bool was_dirty = waits && is_dirty(state, order);
  if (waits) leave(state, order);
  order.turn = 0;
  change();
  order.turn = turn;
  if (waits) enter(state, order);
  if (was_dirty) set_dirty(state, order);
}

}  // namespace

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

void set_clean(MarketState& state, const Turn& turn, const Order& order) {
  state.dirty.erase(turn);
  if (order.turn != 0 && is_spot(order)) state.spot_dirty.erase(spot_turn_of(order));
}

void move_back(MarketState& state, Order& order) {
  leave(state, order);
  next_turn(state, order);
  enter(state, order);
}

void change_tier(MarketState& state, Order& order, bool spot) {
  if (is_spot(order) == spot) return;
  change_demand(state, order, [&] { ask_for(order, spot); });
}

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

void ask_longer(MarketState& state, Order& order) {
  change_demand(state, order, [&] {
    order.demand.requirements.set_duration_us(order.requirements.duration_us());
  });
  if (order.turn != 0) set_dirty(state, order);
  // What is kept for it may be offered for shorter tasks only.
  if (holds_reservation(state, order)) state.reservation_touched = true;
}

void restore_waiting(MarketState& state, const Order& order) { enter(state, order); }

void node_gained(MarketState& state, const Node& node) {
  const bool anybody = !state.waiting.empty() || !state.spot_waiting.empty();
  if (!anybody || !takes_leases(node)) return;
  const auto [at, is_new] = state.fresh.try_emplace(node.id);
  if (is_new || at->second == Turn{}) return;
  // Who changes his node without end would never have the last of those who wait tested.
  if (state.policy.fair_turns()) {
    state.fresh_again.insert(node.id);
  } else {
    at->second = Turn{};
  }
}

void big_waiting_anew(MarketState& state) {
  state.big_waiting.clear();
  state.waiting.visit(Turn{}, [&](const Turn& turn) {
    if (is_big(state.policy, *state.orders.find(turn.order))) state.big_waiting.insert(turn);
    return true;
  });
  follow_big_waiting(state);
}

void all_waiting_anew(MarketState& state) {
  state.dirty = state.waiting.all();
  state.spot_dirty = state.spot_waiting;
}

}  // namespace fallow::core
