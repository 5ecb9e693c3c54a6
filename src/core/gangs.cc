#include "core/gangs.h"

#include <algorithm>

#include "core/leases.h"
#include "core/orders.h"
#include "core/placement.h"
#include "core/retry.h"

namespace fallow::core {
namespace {

// Why a member is told to stop, when another's lease ends for `reason`.
v1::EndReason member_reason(const Lease& cause, v1::EndReason reason, const Lease& member) {
  if (reason == v1::STOPPED) return reason;
  const Ending ending = ending_of(reason);
  if (!ending.retry) return v1::GANG_FAILED;
  const bool same_provider = cause.provider == member.provider;
  return ending.blame == v1::BLAME_PROVIDER && same_provider ? v1::GANG_LOST : v1::GANG_BROKEN;
}

// Calls `each` with the tasks of the gang.
template <class Each>
void each_member(Order& order, std::uint32_t task, Each&& each) {
  const std::uint32_t start = gang_start(order, task);
  for (std::uint32_t at = start; at < start + nodes_of(order.requirements); ++at) each(at);
}

}  // namespace

bool is_of_gang(v1::EndReason reason) {
  return reason == v1::GANG_FAILED || reason == v1::GANG_LOST || reason == v1::GANG_BROKEN;
}

bool is_gang(const Order& order) { return nodes_of(order.requirements) > 1; }

std::uint32_t gang_start(const Order& order, std::uint32_t task) {
  return task - task % nodes_of(order.requirements);
}

std::optional<std::uint32_t> next_placeable(Order& order) {
  while (!is_ready(order.tasks[order.waiting_from])) ++order.waiting_from;
  const std::uint32_t nodes = nodes_of(order.requirements);
  if (nodes == 1) return order.waiting_from;
  for (std::uint32_t at = gang_start(order, order.waiting_from); at < order.tasks.size();
       at += nodes) {
    const auto first = order.tasks.begin() + at;
    if (std::all_of(first, first + nodes, is_ready)) return at;
  }
  return std::nullopt;
}

void stop_gang(Step& step, const Lease& lease, v1::EndReason reason) {
  // Whoever reaches the end of its own time leaves the others to reach theirs.
  const bool runs_out = reason == v1::COMPLETED || reason == v1::TIME_LIMIT || reason == v1::FUNDS;
  if (runs_out || is_of_gang(reason)) return;
  Order& order = *step.state.orders.find(lease.order);
  if (!is_gang(order)) return;
  each_member(order, lease.task, [&](std::uint32_t at) {
    const Task& task = order.tasks[at];
    if (task.state != v1::LEASED || task.lease == lease.id) return;
    Lease& member = *step.state.leases.find(task.lease);
    if (!is_open(member)) return;
    if (member.state == v1::STOPPING && member.stop_reason == reason) return;
    stop_lease(step, member, member_reason(lease, reason, member));
  });
}

void judge_gang(Step& step, Order& order, std::uint32_t task) {
  MarketState& state = step.state;
  bool all_done = true;
  bool over = true;
  bool lost = false;  // through no doing of the renter's
  bool stopped = order.stop_asked;
  bool may_retry = true;
  each_member(order, task, [&](std::uint32_t at) {
    const Task& member = order.tasks[at];
    all_done = all_done && member.state == v1::DONE;
    over = over && member.state != v1::LEASED;
    may_retry = may_retry && member.attempts - member.preempted < order.attempts_max &&
                remaining_time(order, member).value > 0;
    const Lease* const lease = state.leases.find(member.lease);
    if (lease == nullptr || is_open(*lease)) return;
    stopped = stopped || lease->reason == v1::STOPPED;
    may_retry = may_retry && may_begin_after(order, *lease);
    lost = lost || (ending_of(lease->reason).retry && !is_of_gang(lease->reason));
  });
  if (!over || all_done) return;
  const v1::TaskState to = stopped             ? v1::TASK_STOPPED
                           : lost && may_retry ? v1::WAITING
                                               : v1::FAILED;
  each_member(order, task, [&](std::uint32_t at) {
    const v1::TaskState is = order.tasks[at].state;
    // What was done is done again with the others: none of a gang runs alone.
    if (is == to || (is == v1::DONE && to != v1::WAITING)) return;
    set_task_state(step, order, at, to);
  });
}

bool is_lost_with_gang(const Lease& lease) {
  return is_of_gang(lease.stop_reason) && lease.heard_at < lease.stopping_at;
}

std::vector<NodeId> avoided_by(const Order& order, std::uint32_t task) {
  std::vector<NodeId> nodes;
  const std::uint32_t start = gang_start(order, task);
  for (std::uint32_t at = start; at < start + nodes_of(order.requirements); ++at) {
    nodes.insert(nodes.end(), order.tasks[at].avoid.begin(), order.tasks[at].avoid.end());
  }
  return nodes;
}

}  // namespace fallow::core
