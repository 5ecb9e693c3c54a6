#include <set>

#include "agent/agent_impl.h"

namespace fallow::agent {

// Takes over what an earlier agent on this data folder left.
void Agent::Impl::adopt() {
  std::vector<WorkloadRecord> records;
  std::vector<RuntimeEvent> meanwhile;
  std::set<LeaseId> known;
  auto stored = states.load();
  if (!stored) spdlog::error("the stored workloads cannot be read: {}", stored.error().message);
  for (StoredRecord& one : stored ? *stored : std::vector<StoredRecord>()) {
    known.insert(one.lease);
    if (!one.record) {
      // Told as lost, but not before nothing of it runs: the market gives its task to another then.
      WorkloadRecord record;
      record.desired.set_lease(one.lease.value);
      record.phase = Phase::kKilling;
      record.stop_reason = v1::WORKLOAD_LOST;
      record.stop_detail = "the node lost its record of the workload";
      pump.add(one.lease);
      if (runtime.adopt(one.lease).state != AdoptState::kTaken) {
        meanwhile.emplace_back(Exited{one.lease, {}, ExitCause::kLost, 0, 0, record.stop_detail});
      }
      records.push_back(std::move(record));
      continue;
    }
    WorkloadRecord& record = *one.record;
    // A fence on the clock of an earlier start of the machine means nothing on this one.
    if (!one.same_boot) record.fence_at = {};
    if (record.phase >= Phase::kStarting) pump.add(one.lease);
    if (record.is_live()) {
      const Adopted adopted = one.same_boot ? runtime.adopt(one.lease) : Adopted{};
      if (one.same_boot && adopted.state == AdoptState::kTaken) {
        record.fence_at = adopted.fence_at;
        spdlog::info("lease {} goes on", one.lease.value);
      } else if (one.same_boot && adopted.state == AdoptState::kNotStarted &&
                 record.phase == Phase::kStarting) {
        record.phase = Phase::kPreparing;
      } else {
        meanwhile.emplace_back(Exited{one.lease,
                                      {},
                                      ExitCause::kLost,
                                      0,
                                      0,
                                      "the workload was gone when the agent came back"});
      }
    } else if (record.phase == Phase::kEnded) {
      pump.finish(one.lease);
    }
    records.push_back(std::move(record));
  }
  for (const LeaseId lease : runtime.list()) {
    if (known.contains(lease)) continue;
    spdlog::warn("lease {} has no record here: it is removed", lease.value);
    runtime.adopt(lease);
    runtime.forget(lease);
  }
  for (const LeaseId lease : notes.leases()) {
    if (!known.contains(lease)) notes.remove(lease);
  }
  for (const LeaseId lease :
       options.images == nullptr ? std::vector<LeaseId>() : options.images->leases()) {
    if (!known.contains(lease)) options.images->release(lease);
  }
  for (RuntimeEvent& event : runtime.take_events().events) meanwhile.push_back(std::move(event));
  reconciler.adopt(std::move(records), meanwhile, read_now());
  hear_owner();
}

}  // namespace fallow::agent
