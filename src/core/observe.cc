// What a node reports: its owner, its workloads, their meters and endings.
#include <algorithm>

#include "base/cut.h"
#include "core/authority.h"
#include "core/blame.h"
#include "core/checks.h"
#include "core/deadlines.h"
#include "core/gangs.h"
#include "core/handlers.h"
#include "core/lease_proofs.h"
#include "core/leases.h"
#include "core/meter.h"
#include "core/nodes.h"
#include "core/proofs.h"
#include "core/turns.h"

namespace fallow::core {
namespace {

constexpr std::int32_t kSignalBase = 128;  // how shells write an ending by a signal
constexpr std::int32_t kSignalMax = 127;

LastWords words_of(const v1::WorkloadReport& report, const Limits& limits) {
  LastWords words;
  words.exit_code = report.exit_code();
  if (report.exit_code() == 0 && report.signal() > 0 && report.signal() <= kSignalMax) {
    words.exit_code = kSignalBase + report.signal();
  }
  words.detail = cut(report.detail(), limits.detail_bytes_max);
  if (report.output_manifest().size() == kDigestBytes) {
    words.output_manifest = report.output_manifest();
  }
  words.gone = true;
  return words;
}

// The reason that the market books for what the node says.
// `proven_before`: the lease's last proof before this report, which may bring records that the node
// made before the market went away.
v1::EndReason reason_of(const MarketState& state, const Lease& lease, LogIndex proven_before,
                        const v1::WorkloadReport& report) {
  v1::EndReason reason = believed(report.reason());
  if (reason == v1::COMPLETED && (report.exit_code() != 0 || report.signal() != 0)) {
    reason = v1::EXIT_CODE;
  }
  if (lease.state == v1::STOPPING) {
    // What brings a gang down may be told by the other members first.
    const bool lost = reason == v1::DEVICE_FAULT || reason == v1::HOST_LOST;
    const bool told_late = lost && is_of_gang(lease.stop_reason);
    if (!told_late) return reason == v1::COMPLETED ? reason : lease.stop_reason;
  }
  if (reason == v1::TIME_LIMIT) {
    // The node keeps the time itself; its last record may be one interval short of the limit.
    const Duration interval(state.policy.meter_interval_us());
    const Duration limit = lease.extended_revision == 0 ? lease.time_max : lease.time_known;
    return lease.proven + interval >= limit ? limit_reason(state, lease) : v1::WORKLOAD_LOST;
  }
  if (reason == v1::IMAGE_UNAVAILABLE && lease.started_at.us != 0) {
    return v1::WORKLOAD_LOST;  // what runs has its image
  }
  if (reason == v1::HOST_LOST && state.resumed_index > proven_before) {
    return v1::MARKET_FAULT;  // the node fenced itself while the market was away
  }
  return reason;
}

// Only of a lease that is open on its node, which is the task's one lease then: a former one can
// neither replace nor bring back a checkpoint. The sequence orders those of one lease, whatever
// came late.
void accept_checkpoint(Step& step, Lease& lease, const v1::Checkpoint& reported) {
  if (reported.manifest().size() != kDigestBytes ||
      reported.sequence() <= lease.checkpoint_sequence) {
    return;
  }
  v1::CheckpointTaken& told = *step.tell().mutable_checkpoint_taken();
  told.set_lease(lease.id.value);
  told.set_order(lease.order.value);
  told.set_task(lease.task);
  told.set_sequence(reported.sequence());
  told.set_manifest(reported.manifest());
  // Only its own: an inherited one may be the last good one of the task.
  if (lease.checkpoint_sequence > 0) told.set_former(lease.checkpoint);
  lease.checkpoint = reported.manifest();
  lease.checkpoint_at = step.now;
  lease.checkpoint_sequence = reported.sequence();
}

// How long a pull takes lies with the registry and with who chose the image.
void follow_pull(const MarketState& state, Lease& lease, bool pulling, Time now) {
  const Duration most(state.policy.pull_timeout_us());
  lease.pulling = pulling && most.value > 0 && lease.started_at.us == 0 &&
                  !state.orders.find(lease.order)->workload.image().empty();
  if (!lease.pulling) return;
  const Time from = std::min(now, lease.placed_at + most);
  lease.start_by = std::max(lease.start_by, from + Duration(state.policy.start_timeout_us()));
}

// Whether the node of an extended lease goes by its new time. Who hears of it just before the old
// one is over may have begun to stop it.
void note_known_time(const MarketState& state, Lease& lease, std::uint64_t desired_revision) {
  const Duration interval(state.policy.meter_interval_us());
  const bool in_time =
      lease.extended_revision <= desired_revision && lease.proven + interval < lease.time_known;
  if (!in_time && lease.proven <= lease.time_known) return;
  lease.extended_revision = 0;
  lease.time_known = Duration(0);
}

// What must not be begun again has begun once its node says so, even if that counts for nothing
// else: it stops already, or had to wait for a proof.
void note_begun(Step& step, Lease& lease, const v1::WorkloadReport& report) {
  if (lease.started_at.us == 0 && says_it_ran(report) &&
      step.state.orders.find(lease.order)->workload.no_restart()) {
    lease.started_at = step.now;
  }
}

void observe_workload(Step& step, const Node& node, const v1::WorkloadReport& report,
                      std::uint64_t desired_revision) {
  MarketState& state = step.state;
  Lease* const lease = state.leases.find(LeaseId(report.lease()));
  if (lease == nullptr || !is_open(*lease) || lease->node != node.id) return;
  follow_idle(*lease, report.state(), lease->heard_at, close_after(state, *lease), step.now);
  lease->heard_at = step.now;
  lease->named_index = step.index;
  // Once: what ran does not change afterwards.
  if (lease->image_digest.empty() && report.image_digest().size() == kDigestBytes) {
    lease->image_digest = report.image_digest();
  }
  if (lease->proof && says_it_ran(report)) {
    note_begun(step, *lease, report);
    return end_lease(step, *lease, v1::DEVICE_FAULT,
                     {0, "its node began it before its devices had proven themselves in it", ""});
  }
  const LogIndex proven_before = std::max(lease->metered_index, lease->placed_index);
  for (const v1::MeterRecord& record : report.meters()) {
    if (record.lease() == report.lease()) accept_meter(step, *lease, record);
  }
  note_begun(step, *lease, report);
  note_known_time(state, *lease, desired_revision);
  accept_checkpoint(step, *lease, report.checkpoint());
  if (report.state() == v1::ENDED) {
    return end_lease(step, *lease, reason_of(state, *lease, proven_before, report),
                     words_of(report, state.limits));
  }
  if (lease->state != v1::STOPPING) {
    follow_pull(state, *lease, report.pulling(), step.now);
    switch (report.state()) {
      case v1::STARTING:
        if (lease->started_at.us == 0) set_lease_state(step, *lease, v1::STARTING);
        break;
      case v1::RUNNING:
        if (lease->started_at.us == 0) lease->started_at = step.now;
        set_lease_state(step, *lease, v1::RUNNING);
        break;
      case v1::SUSPENDED:
        set_lease_state(step, *lease, v1::SUSPENDED);
        break;
      default:
        break;
    }
  }
  set_deadline(state, *lease, node);
}

void observe_owner(Step& step, Node& node, v1::OwnerState owner) {
  if (owner == v1::OWNER_STATE_UNSPECIFIED || !v1::OwnerState_IsValid(owner) ||
      owner == node.owner) {
    return;
  }
  node.owner = owner;
  node.owner_since = step.now;
  follow_uptime(step.state, node, false);
  load_changed(step.state, node);
  if (owner == v1::OWNER_AWAY) {
    lapse_proofs(step, node);
    node_gained(step.state, node);
  }
  reset_deadlines(step.state, node);
  tell_changed(step, node);
}

// A complete report that does not name a lease which the node must know: who lost his records may
// have lost sight of a workload, too, so that nothing proves that it is gone.
void end_unnamed(Step& step, const Node& node, std::uint64_t desired_revision) {
  MarketState& state = step.state;
  std::vector<LeaseId> gone;
  for (const LeaseId id : node.leases) {
    const Lease& lease = *state.leases.find(id);
    if (lease.named_index != step.index && lease.placed_revision <= desired_revision) {
      gone.push_back(id);
    }
  }
  for (const LeaseId id : gone) {
    Lease& lease = *state.leases.find(id);
    const bool stopping = lease.state == v1::STOPPING;
    end_lease(step, lease, stopping ? lease.stop_reason : v1::WORKLOAD_LOST,
              {0, "the node no longer knows the workload", ""});
  }
}

}  // namespace

void handle(Step& step, const v1::Observe& command) {
  if (!require_market(step)) return;
  MarketState& state = step.state;
  Node* const node = state.nodes.find(NodeId(command.node()));
  if (node == nullptr || node->removed) {
    return step.refuse(v1::NOT_FOUND, "node", "no node {} exists", command.node());
  }
  step.entity = node->id.value;
  node->seen_at = step.now;
  if (node->silent) {
    set_link(state, *node, true);
    lapse_proofs(step, *node);
    node_gained(state, *node);
    tell_changed(step, *node);
  }
  observe_owner(step, *node, command.owner());
  for (const v1::WorkloadReport& report : command.workloads()) {
    observe_workload(step, *node, report, command.desired_revision());
  }
  if (command.complete()) end_unnamed(step, *node, command.desired_revision());
}

}  // namespace fallow::core
