// What a renter asks for: one workload, run as one or many tasks.
//
// Owner: Machine, market thread only; pointers live until the next apply().
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/types.h"
#include "core/book.h"
#include "fallow/v1/commands.pb.h"
#include "fallow/v1/events.pb.h"

namespace fallow::core {

struct WaitingGroup;

struct Task {
  v1::TaskState state = v1::WAITING;
  std::uint32_t attempts = 0;
  std::uint32_t preempted = 0;    // of them: no fault of the task, so they count for no limit
  std::uint32_t failures = 0;     // of them: what ended them may lie in the task. See core/retry.h
  LeaseId lease;                  // the latest attempt's
  Duration proven;                // charged time of ended attempts, net of refunded ones
  std::int64_t egress_bytes = 0;  // likewise what they sent, as far as it was charged
  std::vector<NodeId> avoid;      // nodes that failed it, latest last; at most kAvoidMax
  Time retry_at;                  // WAITING: not placed before; 0: at once. See core/retry.h
};
constexpr std::size_t kAvoidMax = 8;

struct Order {
  OrderId id;
  AccountId account;
  std::string name;
  std::string project;  // empty: none
  v1::Requirements requirements;
  v1::Workload workload;
  Time created_at;
  Time ended_at;
  Time quoted_at;        // prices as they stood then bind until quote_until
  Time quote_until;      // 0: no quote
  Micros rate_hour_max;  // no task is placed above it; 0: none
  Micros egress_gb_max;  // with egress_mb_max: nor where 10^9 bytes cost more than this
  Micros budget;         // hard: held + charged never pass it
  Micros held;           // budget - charged while open, then 0
  Micros assigned;       // of held, to open leases: the sum of their hold - charged
  Micros charged;        // net of refunds
  std::uint32_t attempts_max = 0;
  bool stop_asked = false;  // by the renter: nothing is tried again
  v1::OrderState state = v1::OPEN;
  std::vector<Task> tasks;
  std::uint32_t waiting = 0;  // tasks by state
  std::uint32_t delayed = 0;  // of the waiting, those with a retry_at; derived
  std::uint32_t leased = 0;
  std::uint32_t done = 0;
  std::uint32_t failed = 0;
  std::uint32_t stopped = 0;
  Time spot_after;                 // it was preempted: no spot place before
  Time deadline;                   // 0: none. With one, see core/run_mode.h
  Duration restart;                // what a start of a task takes until new work is done
  bool on_spot = false;            // with a deadline: its demand is of spot at the moment
  std::uint32_t claims = 0;        // open leases that make room for it; derived
  std::uint32_t rescued = 0;       // attempts that ended by provider, owner or market
  std::int32_t month = 0;          // the latest that some of the budget counts for (calendar.h)
  Micros month_counted;            // that much of it
  std::vector<LeaseId> leases;     // of all attempts, ascending
  std::uint64_t turn = 0;          // its place among the waiting; 0: no task is to be placed
  std::uint32_t waiting_from = 0;  // no task below it is to be placed
  WaitingGroup* group = nullptr;   // of those who ask for the same; derived: see waiting_orders.h
  Demand demand;                   // what the book is asked for; empty once it has ended
};

}  // namespace fallow::core
