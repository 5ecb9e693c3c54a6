// What is to run on each node, as the hub tells its agent: see hub.h.
#include <utility>

#include "server/hub.h"

namespace fallow::server {
namespace {

// Secrets that a workload which has not begun waits for.
bool waits_for_secrets(const v1::DesiredLease& wanted, const core::Machine& market) {
  const v1::Workload& workload = wanted.workload();
  if (workload.secrets_size() == 0 && !workload.image_login()) return false;
  const core::Lease* const lease = market.lease(LeaseId(wanted.lease()));
  return lease == nullptr || lease->started_at.us == 0;
}

}  // namespace

void Hub::send_desired(SessionId id, Session& session, const core::Machine& machine) {
  v1::Desired desired = machine.desired(session.node);
  if (session.desired_known && desired.revision() == session.desired_sent) return;
  session.desired_known = true;
  session.desired_sent = desired.revision();
  session.desired_sent_at = clock_.monotonic();
  refuse_secrets(session, machine, desired);
  v1::HubMessage message;
  *message.mutable_desired() = std::move(desired);
  port_.send(id, message);
}

void Hub::refuse_secrets(const Session& session, const core::Machine& machine,
                         v1::Desired& desired) {
  if (session.takes_secrets) return;
  v1::Desired kept;
  v1::Command command;
  v1::Observe& observe = *command.mutable_observe();
  observe.set_node(session.node.value);
  for (v1::DesiredLease& wanted : *desired.mutable_leases()) {
    if (!waits_for_secrets(wanted, machine)) {
      kept.add_leases()->Swap(&wanted);
      continue;
    }
    v1::WorkloadReport& report = *observe.add_workloads();
    report.set_lease(wanted.lease());
    report.set_state(v1::ENDED);
    report.set_reason(v1::START_FAILED);
    report.set_detail("the node's agent is of before secrets: it would start without them");
  }
  desired.mutable_leases()->Swap(kept.mutable_leases());
  if (observe.workloads_size() == 0) return;
  // Where the queue is full the node's own next report, which does not name them, ends them, too.
  (void)port_.submit(std::move(command), [](const core::Machine*) {});
}

void Hub::repeat_desired(SessionId id, Session& session, std::uint64_t acted_upon) {
  const Time now = clock_.monotonic();
  if (acted_upon >= session.desired_sent || now - session.desired_sent_at < limits_.heartbeat) {
    return;
  }
  session.desired_sent_at = now;
  // Refused by a full queue: the next report asks again.
  (void)port_.read([this, id](const core::Machine& machine) {
    const std::lock_guard lock(mutex_);
    Session* open = find(id);
    if (open == nullptr || open->stage != Stage::kOpen) return;
    open->desired_known = false;
    send_desired(id, *open, machine);
  });
}

}  // namespace fallow::server
