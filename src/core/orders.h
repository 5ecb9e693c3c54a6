// Orders and their tasks.
#pragma once

#include "core/blame.h"
#include "core/step.h"

namespace fallow::core {

// The one way a task changes state: counts follow, the change is told, the order waits or no more.
void set_task_state(Step& step, Order& order, std::uint32_t task, v1::TaskState to);

// What the ending of a lease means for its task and order. The lease is ENDED.
void after_lease(Step& step, const Lease& lease, const Ending& ending);

// May another lease follow this one of the order, as far as its workload is concerned? Not one that
// ran, if the workload says that it is not to be begun again (Workload.no_restart).
bool may_begin_after(const Order& order, const Lease& lease);

// Ends the order when no task is WAITING or LEASED.
void end_if_over(Step& step, Order& order);

// Stops all open orders of the account, as its owner could; the rest of them follows in Ticks.
void stop_orders(Step& step, AccountId account);

// Goes on with the orders whose tasks one command could not stop; as many as this one may.
void stop_more(Step& step);

// What its workload takes, written out.
std::size_t workload_bytes(const Order& order);

// Forgets the oldest ended orders beyond the limits, with their leases. Not while a handler runs.
void forget_old_orders(MarketState& state);

// What the book is asked for: at the former prices that the order's quote binds, while it stands.
Demand& demand_now(const MarketState& state, Order& order);

// No gang, and no quote of it stands: whether there is a place for it hangs on its demand alone.
bool is_plain(const MarketState& state, const Order& order);

// Does it wait or run, or will it be tried again? What does not, no stop and no extension changes.
bool may_go_on(const MarketState& state, const Task& task);

// Running time that the task may still be charged for.
Duration remaining_time(const Order& order, const Task& task);

}  // namespace fallow::core
