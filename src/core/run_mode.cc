#include "core/run_mode.h"

#include <algorithm>

#include "base/check.h"
#include "base/money.h"
#include "core/deadline_policy.h"
#include "core/orders.h"
#include "core/placement.h"
#include "core/price_index.h"
#include "core/spot.h"

namespace fallow::core {
namespace {

// Rounded up.
std::int64_t minutes_of(Duration time) {
  return (time + minutes(1) - Duration(1)).value / minutes(1).value;
}

// Tells of an order that asks for spot what is expected where it could run: room in any of the
// classes, or in none of them.
void look_ahead(const MarketState& state, const Order& order, DeadlineState& at) {
  if (!state.policy.deadlines_by_forecast() || state.now >= state.scoring.expected_until) return;
  const std::vector<Placement> places = spot_places(state, order.demand, kOutlookOffersMax);
  bool all_away = !places.empty();
  Time until = state.scoring.expected_until;
  for (const Placement& place : places) {
    const PriceIndex* const index = place.node->counted.index;
    if (index == nullptr || !index->is_expected(state.now)) {
      all_away = false;
      continue;
    }
    if (index->expected_use_basis_points < state.policy.use_target_basis_points()) {
      at.outlook = SpotOutlook::kComes;
      at.outlook_from = index->expected_until - state.now;
      return;
    }
    all_away = all_away && index->expected_use_basis_points >= kBasisPoints;
    until = std::min(until, index->expected_until);
  }
  if (!all_away) return;
  at.outlook = SpotOutlook::kStaysAway;
  at.outlook_from = until - state.now;
}

v1::Tier choice(const MarketState& state, const Order& order, const Task& task,
                const SpotHistory& seen, const Micros* spot_hour) {
  DeadlineState at;
  at.time_left = order.deadline - state.now;
  at.work_left = remaining_time(order, task);
  at.restart = order.restart;
  at.step = std::max(Duration(1), Duration(state.policy.price_interval_us()));
  at.spot_available = spot_hour != nullptr;
  at.spot_age = seen.age(state.now);
  at.spot_hour = spot_hour != nullptr ? *spot_hour : Micros(0);
  at.on_demand_hour = order.rate_hour_max;
  if (spot_hour == nullptr) look_ahead(state, order, at);
  return choose_run(at, seen) == RunMode::kOnDemand ? v1::ON_DEMAND : v1::SPOT;
}

}  // namespace

void ask_for(Order& order, bool spot) {
  FALLOW_CHECK(has_deadline(order) && order.turn == 0, "order {} cannot change its tier",
               order.id.value);
  v1::Requirements& asked = order.demand.requirements;
  asked.set_tier(spot ? v1::SPOT : v1::ON_DEMAND);
  // On demand the order's own limit holds; on spot the bid is what a task may cost there.
  asked.set_price_per_hour_micros_max(spot ? order.rate_hour_max.value
                                           : order.requirements.price_per_hour_micros_max());
  order.on_spot = spot;
}

std::optional<Refusal> check_deadline(const v1::SubmitOrder& command,
                                      const v1::Requirements& requirements, const Limits& limits) {
  const Duration until(command.deadline_after_us());
  const Duration restart(command.restart_us());
  if (until.value == 0 && restart.value == 0) return std::nullopt;
  const Duration most = limits.duration_max + limits.duration_max;
  if (until.value <= 0 || until > most || restart.value < 0 || restart > limits.duration_max) {
    return refusal(v1::VALUE_INVALID, "deadline_after_us",
                   "a deadline is at most {} min away, and what a start takes goes with one",
                   minutes_of(most));
  }
  if (requirements.tier() != v1::ON_DEMAND || requirements.nodes() > 1) {
    return refusal(v1::VALUE_INVALID, "deadline_after_us",
                   "with a deadline the market chooses between spot and on_demand: name no tier, "
                   "and no nodes that start together");
  }
  const Duration needed = Duration(requirements.duration_us()) + restart;
  if (until < needed) {
    return refusal(v1::VALUE_INVALID, "deadline_after_us",
                   "a task may run for {} min and takes {} min to start: give at least {} min "
                   "until the deadline",
                   minutes_of(Duration(requirements.duration_us())), minutes_of(restart),
                   minutes_of(needed));
  }
  return std::nullopt;
}

v1::Tier choose_tier(MarketState& state, Order& order, const Task& task, const Micros* spot_hour) {
  if (!offers_spot(state.policy)) return v1::ON_DEMAND;
  SpotHistory& seen = state.spot_seen[order.id];
  // What its own tasks took a moment ago did not go away.
  if (spot_hour != nullptr || !seen.was_there(state.now)) {
    seen.note(spot_hour != nullptr, state.now);
  }
  return choice(state, order, task, seen, spot_hour);
}

bool can_wait_for_spot(const MarketState& state, const Order& order, const Task& task) {
  if (!offers_spot(state.policy)) return false;
  const Duration slack = order.deadline - state.now - remaining_time(order, task);
  return slack >= order.restart + Duration(state.policy.price_interval_us());
}

v1::Tier choose_tier_in_cool_down(const MarketState& state, const Order& order, const Task& task) {
  const auto seen = state.spot_seen.find(order.id);
  if (!offers_spot(state.policy) || seen == state.spot_seen.end()) return v1::ON_DEMAND;
  return choice(state, order, task, seen->second, nullptr);
}

}  // namespace fallow::core
