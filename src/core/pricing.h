// The price of an order before it is bound: the same book, the same state as the placement after.
#pragma once

#include <vector>

#include "core/book.h"
#include "core/market_state.h"
#include "core/refusal.h"

namespace fallow::core {

// A price before it is bound: what a quote shows.
struct Estimate {
  v1::BoundQuote quote;
  std::uint32_t tasks_at_once = 0;  // how many could start now
  std::vector<Placement> offers;    // the best, in the order they would be taken; at most 10
  Micros gpu_hour;                  // parts of task_hour; to spot of what it costs now
  Micros disk_hour;
  Micros fee_hour;       // contained in the two above
  Micros let_off_hour;   // of fee_hour, by what the renter has spent; not in the quote
  Micros discount_hour;  // that the term took off gpu_hour
  Micros egress;         // in the quote's total: the most that all tasks pay for what they send
};
constexpr std::size_t kEstimateOffersMax = 10;

// Of `tasks` tasks now, or why there is none: NO_MATCH with relaxations, VALUE_INVALID beyond
// limits.money_max.
tl::expected<Estimate, Refusal> estimate_of(const MarketState& state, const Demand& demand,
                                            std::uint32_t tasks, Time now);

// 1 to limits.tasks_per_order_max; of gangs as many as make whole ones.
std::optional<Refusal> check_tasks(std::uint32_t tasks, const v1::Requirements& requirements,
                                   const Limits& limits);

// NO_MATCH (or QUOTE_GONE under a quote), with what would help.
Refusal no_match(const MarketState& state, const Demand& demand, bool under_quote);

}  // namespace fallow::core
