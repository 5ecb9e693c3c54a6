// Checkpoints of one workload: see reconciler.h and docs/checkpoints.md.
#include <algorithm>

#include "agent/reconciler.h"

namespace fallow::agent {

// It ran, and its task may go on elsewhere or be looked at by its renter. After a fence the market
// takes nothing of the lease any more.
bool Reconciler::wants_checkpoint(const WorkloadRecord& record) {
  const v1::EndReason reason = record.end.reason();
  return record.started && reason != v1::COMPLETED && reason != v1::HOST_LOST;
}

Duration Reconciler::checkpoint_interval_of(const WorkloadRecord& record) const {
  const std::uint32_t wished = record.desired.workload().checkpoint_seconds();
  return wished == 0 ? checkpoint_interval_ : std::max(seconds(wished), kCheckpointIntervalMin);
}

Time Reconciler::save_due_at(const Entry& entry) const {
  const WorkloadRecord& record = entry.record;
  const bool runs = record.phase == Phase::kRunning && record.running && entry.wanted;
  return runs && !entry.saving ? entry.save_at : kNever;
}

void Reconciler::saved(Entry& entry, const Saved& event, Now now) {
  WorkloadRecord& record = entry.record;
  if (entry.saving && !event.is_last) {
    entry.saving = false;
    const Duration took = now.monotonic - entry.saving_since;
    entry.save_at = now.monotonic + std::max(checkpoint_interval_of(record),
                                             Duration(took.value * kCheckpointShare));
  }
  if (!record.is_live() && record.phase != Phase::kCollecting) return;
  v1::Checkpoint last = record.end.checkpoint();
  const std::string& known =
      last.manifest().empty() ? record.desired.checkpoint_manifest() : last.manifest();
  if (event.manifest.empty() || event.manifest == known) return;
  last.set_sequence(last.sequence() + 1);
  last.set_manifest(event.manifest);
  *record.end.mutable_checkpoint() = std::move(last);
  entry.changed = dirty_ = true;
}

}  // namespace fallow::agent
