// Demand that could not be met at once: how long the task of a lease had waited for its place.
//
// Only what is paid for in the end counts, and no longer than it was paid for: who asks and never
// pays, or asks for more than he pays for, adds nothing to what is expected to be asked for. Left
// out are spot and orders with a deadline, which wait for a price, and tasks that are tried again,
// which waited for their own sake. A task of many whose budget carries only some at a time counts
// as if it had waited for a device: by such orders demand is read too high, at
// most twice what they paid for.
//
// Free function; market thread only.
#pragma once

#include <optional>

#include "core/blame.h"
#include "core/market_state.h"

namespace fallow::core {

// Of a lease that ends so, its order still open. None: it counts for nothing.
std::optional<v1::PaidWait> paid_wait(const MarketState& state, const Lease& lease,
                                      const Ending& ending);

// A shorter one is the time that a command takes.
constexpr Duration kPaidWaitMin = seconds(1);

}  // namespace fallow::core
