#include "core/waits_for.h"

#include <algorithm>

#include "core/market_state.h"
#include "core/placement.h"
#include "core/retry.h"

namespace fallow::core {
namespace {

// The lower of two limits of which 0 is none.
Micros lower_limit(Micros a, Micros b) {
  if (a.value == 0 || b.value == 0) return std::max(a, b);
  return std::min(a, b);
}

// What a task of the demand costs on what is free and cheapest, whatever it may cost; none: nothing
// is free.
std::optional<Micros> cheapest_free(const MarketState& state, const Demand& asked) {
  Demand demand = asked;
  demand.avoid = {};
  demand.rate_hour_max = Micros(0);
  demand.requirements.set_price_per_hour_micros_max(0);
  demand.requirements.set_objective(v1::CHEAPEST);
  const bool gang = nodes_of(demand.requirements) > 1;
  std::optional<Micros> rate;
  for (const Placement& placement :
       gang ? state.book->match_gang(demand) : std::vector<Placement>{}) {
    rate = std::max(rate.value_or(Micros(0)), placement.rate_hour);
  }
  if (gang) return rate;
  if (const auto placement = state.book->match(demand)) rate = placement->rate_hour;
  return rate;
}

}  // namespace

std::optional<WaitsFor> waits_for(const MarketState& state, const Order& order) {
  if (order.state != v1::OPEN || order.waiting == 0) return std::nullopt;
  WaitsFor waits;
  if (const std::optional<Time> retry_at = first_retry(order)) {
    waits.reason = v1::WAITS_TO_RETRY;
    waits.retry_at = *retry_at;
    return waits;
  }
  Demand demand = order.demand;
  demand.quoted_at = state.now < order.quote_until ? order.quoted_at : Time{};
  const Micros most =
      lower_limit(demand.rate_hour_max, Micros(demand.requirements.price_per_hour_micros_max()));
  const std::optional<Micros> free = cheapest_free(state, demand);
  if (free && most.value > 0 && *free > most) {
    waits.reason = v1::WAITS_FOR_PRICE;
    waits.rate_hour_max = most;
    waits.rate_hour_free = *free;
  }
  return waits;
}

}  // namespace fallow::core
