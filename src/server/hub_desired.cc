// What is to run on each node, as the hub tells its agent: see hub.h.
#include <optional>
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

void Hub::draw_proof(LeaseId lease, const core::Machine& machine) {
  std::optional<v1::Command> command = proofs_.draw(lease, machine);
  if (!command) return;
  const NodeId node(command->start_proof().node());
  const auto stored = [this, node, lease](const core::Machine* market) {
    const std::lock_guard lock(mutex_);
    drawn(node, lease, market);
  };
  if (port_.submit(*command, stored)) {
    ++drawn_[node];
  } else {
    proofs_.not_started(lease);
  }
}

// Refused or lost, the lease begins as any other.
void Hub::drawn(NodeId node, LeaseId lease, const core::Machine* market) {
  if (--drawn_[node] == 0) drawn_.erase(node);
  const core::Lease* const asked = market == nullptr ? nullptr : market->lease(lease);
  if (asked == nullptr || !asked->proof) proofs_.not_started(lease);
  const auto speaker = by_node_.find(node);
  Session* const session = speaker == by_node_.end() ? nullptr : find(speaker->second);
  if (session == nullptr || session->stage != Stage::kOpen) return;
  // By a read, which comes between two batches: the one that is being applied may have placed more
  // here that nobody has drawn yet. Where the queue is full the next report asks for what is new.
  session->desired_known = false;
  ++session->desired_sent;
  repeat_desired(speaker->second, *session);
}

void Hub::send_desired(SessionId id, Session& session, const core::Machine& machine) {
  if (drawn_.contains(session.node)) return;
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
  (void)port_.submit(command, [](const core::Machine*) {});
}

void Hub::repeat_lost_desired(SessionId id, Session& session, std::uint64_t acted_upon) {
  const Duration since = clock_.monotonic() - session.desired_sent_at;
  if (acted_upon < session.desired_sent && since >= limits_.heartbeat) repeat_desired(id, session);
}

void Hub::repeat_desired(SessionId id, Session& session) {
  session.desired_sent_at = clock_.monotonic();
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
