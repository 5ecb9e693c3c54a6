// What leases send over their network, and what it costs. docs/market.md has the rule with an
// example; client/receipt.cc recomputes it.
//
// Free functions; market thread only.
#pragma once

#include <cstdint>

#include "base/types.h"
#include "core/book.h"
#include "core/lease.h"
#include "core/order.h"

namespace fallow::core {

// The most that a task may send, of all its attempts together; 0: it pays for nothing of it.
std::int64_t egress_bytes_max(const v1::Requirements& requirements);
// What is left of that for the task's next attempt.
std::int64_t egress_left(const Order& order, const Task& task);

// Would the demand take an offer that asks so much for 10^9 bytes? Who says nothing of how much is
// sent takes only what costs nothing.
bool takes_egress(const Demand& demand, Micros egress_gb);

// The part of the lease's hold that is for what it sends.
Micros egress_hold(const Lease& lease);
// What it has sent that is charged for, in bytes, and what that comes to: never above the hold.
std::int64_t charged_egress(const Lease& lease);
Micros egress_cost(const Lease& lease);

}  // namespace fallow::core
