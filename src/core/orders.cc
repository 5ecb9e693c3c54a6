#include "core/orders.h"

#include <algorithm>

#include "base/check.h"
#include "base/money.h"
#include "core/authority.h"
#include "core/egress.h"
#include "core/funds.h"
#include "core/gangs.h"
#include "core/handlers.h"
#include "core/leases.h"
#include "core/nodes.h"
#include "core/retry.h"
#include "core/turns.h"

namespace fallow::core {
namespace {

std::uint32_t& count_of(Order& order, v1::TaskState state) {
  switch (state) {
    case v1::WAITING:
      return order.waiting;
    case v1::LEASED:
      return order.leased;
    case v1::DONE:
      return order.done;
    case v1::FAILED:
      return order.failed;
    case v1::TASK_STOPPED:
      return order.stopped;
    default:
      break;
  }
  FALLOW_CHECK(false, "a task of order {} is in no state", order.id.value);
  return order.failed;
}

void avoid(Task& task, NodeId node) {
  std::erase(task.avoid, node);
  if (task.avoid.size() == kAvoidMax) task.avoid.erase(task.avoid.begin());
  task.avoid.push_back(node);
}

// The renter's own order or its lease's, or nullptr after refusing.
Order* stoppable(Step& step, Order* order, std::string_view field, std::uint64_t id) {
  if (order == nullptr) {
    step.refuse(v1::NOT_FOUND, field, "no {} {} exists", field, id);
    return nullptr;
  }
  return acting_for(step, order->account, v1::SCOPE_UNSPECIFIED) == nullptr ? nullptr : order;
}

void forget_order(MarketState& state, const Order& order) {
  for (const LeaseId id : order.leases) {
    const Lease& lease = *state.leases.find(id);
    const NodeId node_id = lease.node;
    --state.nodes.find(node_id)->leases_known;
    state.leases.erase(id);
    --state.leases_of_ended;
    forget_if_unused(state, node_id);
  }
  state.tasks_of_ended -= order.tasks.size();
  state.workload_bytes_of_ended -= workload_bytes(order);
  state.orders.erase(order.id);
}

bool keeps_too_much(const MarketState& state) {
  const Limits& limits = state.limits;
  if (state.ended.size() > limits.orders_ended_kept_max ||
      state.leases_of_ended > limits.leases_ended_kept_max) {
    return true;
  }
  return state.policy.fair_turns() &&
         (state.tasks_of_ended > limits.tasks_ended_kept_max ||
          state.workload_bytes_of_ended > limits.workload_bytes_ended_kept_max);
}

// Stops its tasks, `left` of them at most; those of whom more are left are gone on with.
void stop_tasks(Step& step, Order& order, std::size_t& left) {
  MarketState& state = step.state;
  for (std::uint32_t index = 0; index < order.tasks.size(); ++index) {
    const Task& task = order.tasks[index];
    if (!may_go_on(state, task)) continue;
    if (left == 0) {
      state.stopping.insert(order.id);
      return;
    }
    --left;
    if (task.state == v1::WAITING) {
      set_task_state(step, order, index, v1::TASK_STOPPED);
    } else {
      stop_lease(step, *state.leases.find(task.lease), v1::STOPPED);
    }
  }
  state.stopping.erase(order.id);
  end_if_over(step, order);
}

}  // namespace

bool may_go_on(const MarketState& state, const Task& task) {
  if (task.state != v1::LEASED) return task.state == v1::WAITING;
  const Lease& lease = *state.leases.find(task.lease);
  return lease.state != v1::STOPPING || ending_of(lease.stop_reason).retry;
}

Duration remaining_time(const Order& order, const Task& task) {
  return Duration(order.requirements.duration_us()) - task.proven;
}

Demand& demand_now(const MarketState& state, Order& order) {
  order.demand.quoted_at = state.now < order.quote_until ? order.quoted_at : Time{};
  return order.demand;
}

bool is_plain(const MarketState& state, const Order& order) {
  return !is_gang(order) && state.now >= order.quote_until;
}

void set_task_state(Step& step, Order& order, std::uint32_t index, v1::TaskState to) {
  Task& task = order.tasks[index];
  --count_of(order, task.state);
  task.state = to;
  ++count_of(order, to);
  end_delay(step.state, order, task);
  if (to == v1::WAITING) delay_retry(step.state, order, task);
  if (is_ready(task)) {
    order.waiting_from = std::min(order.waiting_from, index);
    wait_for_match(step.state, order);
  } else if (!has_ready(order)) {
    leave_waiting(step.state, order);
  }
  v1::TaskChanged& told = *step.tell().mutable_task_changed();
  told.set_order(order.id.value);
  told.set_task(index);
  told.set_state(to);
  told.set_lease(task.lease.value);
  told.set_attempt(task.attempts);
  told.set_retry_at_us(task.retry_at.us);
}

bool may_begin_after(const Order& order, const Lease& lease) {
  return !order.workload.no_restart() || lease.started_at.us == 0;
}

void after_lease(Step& step, const Lease& lease, const Ending& ending) {
  Order& order = *step.state.orders.find(lease.order);
  Task& task = order.tasks[lease.task];
  if (!ending.refund) {
    task.proven += std::min(lease.proven, lease.time_max);
    task.egress_bytes += charged_egress(lease);
  }
  const bool by_provider = ending.blame == v1::BLAME_PROVIDER && ending.by_node;
  const bool may_be_of_node =
      lease.reason == v1::IMAGE_UNAVAILABLE || lease.reason == v1::STORE_FULL;
  if (by_provider || may_be_of_node) avoid(task, lease.node);
  if (ending.retry) ++order.rescued;
  if (may_lie_in_task(lease.reason)) ++task.failures;
  if (lease.reason == v1::PREEMPTED) {
    ++task.preempted;
    order.spot_after = step.now + Duration(step.state.policy.spot_cool_down_us());
  }

  v1::TaskState to = v1::FAILED;
  if (ending.task_done) {
    to = v1::DONE;
  } else if (order.stop_asked || lease.reason == v1::STOPPED) {
    to = v1::TASK_STOPPED;
  } else if (ending.retry && task.attempts - task.preempted < order.attempts_max &&
             remaining_time(order, task).value > 0 && may_begin_after(order, lease)) {
    to = v1::WAITING;
  }
  set_task_state(step, order, lease.task, to);
  if (is_gang(order)) judge_gang(step, order, lease.task);
  // The rest of the hold is the order's again: a task that waited for money can have it.
  if (has_ready(order)) wait_for_match(step.state, order);
  end_if_over(step, order);
}

void end_if_over(Step& step, Order& order) {
  if (order.waiting > 0 || order.leased > 0) return;
  MarketState& state = step.state;
  // Stopped whole, or task by task with nothing else gone wrong.
  const bool stopped = order.stop_asked || order.failed == 0;
  order.state = order.done == order.tasks.size() ? v1::ORDER_DONE
                : stopped                        ? v1::ORDER_STOPPED
                                                 : v1::ORDER_FAILED;
  order.ended_at = step.now;
  order.demand = Demand{};
  state.spot_seen.erase(order.id);
  state.stopping.erase(order.id);
  return_funds(step, order);
  order.claims = 0;
  --state.accounts.find(order.account)->orders_open;
  --state.orders_open;
  state.tasks_open -= order.tasks.size();
  state.leases_of_ended += order.leases.size();
  state.tasks_of_ended += order.tasks.size();
  const std::size_t bytes = workload_bytes(order);
  state.workload_bytes_open -= bytes;
  state.workload_bytes_of_ended += bytes;
  state.ended.push_back(order.id);
  v1::OrderEnded& told = *step.tell().mutable_order_ended();
  told.set_order(order.id.value);
  told.set_account(order.account.value);
  told.set_state(order.state);
  told.set_charged_micros(order.charged.value);
}

void stop_orders(Step& step, AccountId account) {
  MarketState& state = step.state;
  std::vector<OrderId> open;
  state.orders.each([&](const Order& order) {
    if (order.account == account && order.state == v1::OPEN && !order.stop_asked) {
      open.push_back(order.id);
    }
  });
  std::size_t left = state.limits.stops_per_command_max;
  for (const OrderId id : open) {
    Order& order = *state.orders.find(id);
    order.stop_asked = true;
    leave_waiting(state, order);
    stop_tasks(step, order, left);
  }
}

void stop_more(Step& step) {
  std::size_t left = step.state.limits.stops_per_command_max;
  while (!step.state.stopping.empty() && left > 0) {
    stop_tasks(step, *step.state.orders.find(*step.state.stopping.begin()), left);
  }
}

std::size_t workload_bytes(const Order& order) { return order.workload.ByteSizeLong(); }

void forget_old_orders(MarketState& state) {
  while (!state.ended.empty() && keeps_too_much(state)) {
    forget_order(state, *state.orders.find(state.ended.front()));
    state.ended.pop_front();
  }
}

void handle(Step& step, const v1::StopOrder& command) {
  MarketState& state = step.state;
  Order* const order =
      stoppable(step, state.orders.find(OrderId(command.order())), "order", command.order());
  if (order == nullptr) return;
  if (order->state != v1::OPEN) {
    return step.refuse(v1::ALREADY_ENDED, "order", "order {} has ended already", command.order());
  }
  step.entity = order->id.value;
  order->stop_asked = true;
  leave_waiting(state, *order);
  std::size_t left = state.policy.fair_turns() ? state.limits.stops_per_command_max
                                               : state.limits.tasks_per_order_max;
  stop_tasks(step, *order, left);
}

void handle(Step& step, const v1::StopLease& command) {
  MarketState& state = step.state;
  Lease* const lease = state.leases.find(LeaseId(command.lease()));
  Order* const order = lease == nullptr ? nullptr : state.orders.find(lease->order);
  if (stoppable(step, order, "lease", command.lease()) == nullptr) return;
  if (!is_open(*lease)) {
    return step.refuse(v1::ALREADY_ENDED, "lease", "lease {} has ended already", command.lease());
  }
  step.entity = lease->id.value;
  stop_lease(step, *lease, v1::STOPPED);
}

}  // namespace fallow::core
