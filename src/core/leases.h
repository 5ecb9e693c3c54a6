// The life of a lease: PLACED -> STARTING -> RUNNING <-> SUSPENDED -> STOPPING -> ENDED, and every
// short cut to ENDED.
#pragma once

#include <string>

#include "core/step.h"

namespace fallow::core {

// Binds a waiting task of the order to what the book found. The hold is unassigned money of the
// order's.
void place_lease(Step& step, Order& order, std::uint32_t task, const Placement& placement,
                 Micros hold, Duration time_max);

// Of an open lease that does not stop: it may run for so much longer, and holds what that costs at
// its rate, beside what it may send. The order holds it already, unassigned.
void extend_lease(Step& step, Lease& lease, Duration more);

// Changes the state and tells so; nothing when it is that already. Not to ENDED.
void set_lease_state(Step& step, Lease& lease, v1::LeaseState to);

// Tells the node to end it. It accrues no more, or by the rule counts_until_stop only what ran
// until its node hears of it. A lease that stops for a reason after which the task would be tried
// again can still be stopped by the renter; else the first reason stands.
void stop_lease(Step& step, Lease& lease, v1::EndReason reason);

// What a node or the market says of an ending.
struct LastWords {
  std::int32_t exit_code = 0;
  std::string detail;           // a sentence for the renter
  std::string output_manifest;  // 32 bytes or empty
  bool gone = false;            // its node says that nothing of it runs
};
// Ends an open lease: money by the blame table, capacity back, the task done, waiting or failed.
void end_lease(Step& step, Lease& lease, v1::EndReason reason, LastWords words);

}  // namespace fallow::core
