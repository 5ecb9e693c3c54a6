#include "core/retry.h"

#include <algorithm>

#include "core/blame.h"
#include "core/placement.h"
#include "core/run_mode.h"
#include "core/turns.h"

namespace fallow::core {
namespace {

// Beyond so many doublings every delay is the longest.
constexpr std::uint32_t kDoublingsMax = 40;

Duration delay_of(const v1::Policy& policy, const Order& order, const Task& task,
                  const Lease& lease) {
  if (!may_lie_in_task(lease.reason) || task.failures < 2 || has_deadline(order) ||
      policy.retry_delay_us() == 0) {
    return Duration(0);
  }
  const std::uint32_t doublings = std::min(task.failures - 2, kDoublingsMax);
  const std::int64_t most = policy.retry_delay_us_max();
  if (policy.retry_delay_us() > most >> doublings) return Duration(most);
  return Duration(policy.retry_delay_us() << doublings);
}

}  // namespace

void delay_retry(MarketState& state, Order& order, Task& task) {
  const Lease* const lease = state.leases.find(task.lease);
  const Duration delay = delay_of(state.policy, order, task, *lease);
  const Time at = std::max(state.now + delay, lease->fenced_at);
  if (at <= state.now) return;
  task.retry_at = at;
  restore_delay(state, order, task);
}

void restore_delay(MarketState& state, Order& order, const Task& task) {
  ++order.delayed;
  state.deadlines.put(task.lease, state.leases.find(task.lease)->due, task.retry_at);
}

void end_delay(MarketState& state, Order& order, Task& task) {
  if (task.retry_at.us == 0) return;
  task.retry_at = Time{};
  --order.delayed;
  state.deadlines.remove(state.leases.find(task.lease)->due);
}

void wait_for_fences_anew(MarketState& state) {
  state.orders.each([&](Order& order) {
    if (order.delayed == 0) return;
    for (Task& task : order.tasks) {
      if (task.retry_at.us == 0) continue;
      Lease& lease = *state.leases.find(task.lease);
      if (lease.fenced_at.us == 0) continue;
      lease.fenced_at = state.now + lease.close_after;
      const Time at = std::max(task.retry_at, lease.fenced_at);
      end_delay(state, order, task);
      task.retry_at = at;
      restore_delay(state, order, task);
    }
  });
}

void retry_now(Step& step, Lease& lease) {
  Order& order = *step.state.orders.find(lease.order);
  end_delay(step.state, order, order.tasks[lease.task]);
  order.waiting_from = std::min(order.waiting_from, lease.task);
  if (has_ready(order)) wait_for_match(step.state, order);
}

std::optional<Time> first_retry(const Order& order) {
  if (order.delayed == 0) return std::nullopt;
  const std::uint32_t nodes = nodes_of(order.requirements);
  std::optional<Time> first;
  for (std::size_t start = 0; start < order.tasks.size(); start += nodes) {
    Time last;
    bool all_wait = true;
    for (std::size_t at = start; at < start + nodes; ++at) {
      all_wait = all_wait && order.tasks[at].state == v1::WAITING;
      last = std::max(last, order.tasks[at].retry_at);
    }
    if (!all_wait) continue;
    if (last.us == 0) return std::nullopt;
    first = std::min(first.value_or(last), last);
  }
  return first;
}

}  // namespace fallow::core
