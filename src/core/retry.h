// When a task that failed is tried again.
//
// Never before nothing of its last lease can run any more (Lease::fenced_at; docs/fencing.md).
// The first retry is at once, on another node. Whoever failed twice by what may lie in the task
// (core/blame.h) waits for policy.retry_delay_us, then for twice as long each time, up to
// retry_delay_us_max: a task that no node can run must not take one after the other in a row. A
// host that was lost, withdrawn or taken back by its owner and what the market itself ended delay
// nothing, and neither are such attempts counted; who has a deadline is not delayed. The moment
// stands in the deadline queue, in the place of the attempt's lease, which has ended. Free
// functions; market thread only.
#pragma once

#include <optional>

#include "core/step.h"

namespace fallow::core {

// May it be placed now, as far as this goes?
inline bool is_ready(const Task& task) {
  return task.state == v1::WAITING && task.retry_at.us == 0;
}
// Has the order such a task? None when it is to be stopped, though not all of its tasks are yet.
inline bool has_ready(const Order& order) {
  return !order.stop_asked && order.waiting > order.delayed;
}

// The task has just begun to wait again; its lease has ended.
void delay_retry(MarketState& state, Order& order, Task& task);
// It waits no more, or no longer.
void end_delay(MarketState& state, Order& order, Task& task);
// The moment of the task whose latest attempt the lease was has come.
void retry_now(Step& step, Lease& lease);
// The same of a task that a snapshot had delayed.
void restore_delay(MarketState& state, Order& order, const Task& task);
// The market was away, and no clock says for how long: who waits for a fence waits from now on.
void wait_for_fences_anew(MarketState& state);

// When all that waits of the order is delayed: the first moment at which a task, or a whole gang,
// is delayed no more. None: something of it could be placed now.
std::optional<Time> first_retry(const Order& order);

}  // namespace fallow::core
