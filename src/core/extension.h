// More time for an order's tasks.
//
// Each task that waits or runs gets it: the most that it may be charged for grows, and so does what
// its lease holds and may run for. It costs what the order is bound to, whatever the offers ask
// now; of a reserved order at the discount that it has. So what is held beside, out of the renter's
// budgets, is tasks * ceil(bound price * more): wherever a task goes on, it pays no more than that.
//
// Whoever takes longer is in somebody's way: offers that are withdrawn, paused or for shorter tasks
// only, and what is kept for another order, limit it. With firm turns (the policy's) it is a second
// at least, and of an order of which not more tasks run than one command may extend. Free
// functions; market thread only.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "core/market_state.h"
#include "core/refusal.h"

namespace fallow::core {

struct Extension {
  std::uint32_t tasks = 0;  // that get it
  Micros task_hour;         // the most that an hour more of one of them costs
  Micros cost;              // what the order would hold beside
};

// Of so much more time for each task, or why not: then a relaxation names the longest that can be
// had, if any can.
tl::expected<Extension, Refusal> extension_of(const MarketState& state, const Order& order,
                                              Duration more);

}  // namespace fallow::core
