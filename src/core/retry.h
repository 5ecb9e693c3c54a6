// When a task that failed is tried again.
//
// The first retry is at once, on another node. Whoever failed twice by its providers or their
// owners waits for policy.retry_delay_us, then for twice as long each time, up to
// retry_delay_us_max: a task that no node can run must not take one after the other in a row. What
// the market itself ended (preemption, its own absence, a gang that others broke) delays nothing,
// and who has a deadline is not delayed. The moment stands in the deadline queue, in the place of
// the attempt's lease, which has ended. Free functions; market thread only.
#pragma once

#include <optional>

#include "core/step.h"

namespace fallow::core {

// May it be placed now, as far as this goes?
inline bool is_ready(const Task& task) {
  return task.state == v1::WAITING && task.retry_at.us == 0;
}
// Has the order such a task?
inline bool has_ready(const Order& order) { return order.waiting > order.delayed; }

// The task has just begun to wait again; its lease has ended.
void delay_retry(MarketState& state, Order& order, Task& task);
// It waits no more, or no longer.
void end_delay(MarketState& state, Order& order, Task& task);
// The moment of the task whose latest attempt the lease was has come.
void retry_now(Step& step, Lease& lease);
// The same of a task that a snapshot had delayed.
void restore_delay(MarketState& state, Order& order, const Task& task);

// The first of the order's delayed tasks; none: it has no such task.
std::optional<Time> first_retry(const Order& order);

}  // namespace fallow::core
