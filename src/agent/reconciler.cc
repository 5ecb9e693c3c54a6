#include "agent/reconciler.h"

#include <algorithm>
#include <utility>

namespace fallow::agent {
namespace {

constexpr Duration kMeterIntervalMin = milliseconds(10);
// Attempts to find the market again between its last word and a workload's fence, beside the first
// quick ones.
constexpr std::int64_t kTriesPerFence = 5;

LeaseId lease_of(const RuntimeEvent& event) {
  return std::visit([](const auto& e) { return e.lease; }, event);
}

}  // namespace

Reconciler::Reconciler(SessionOptions options, const Signer& signer, Random& random,
                       Duration checkpoint_interval)
    : session_(std::move(options), signer, random),
      signer_(signer),
      checkpoint_interval_(checkpoint_interval) {}

void Reconciler::adopt(std::vector<WorkloadRecord> records,
                       const std::vector<RuntimeEvent>& meanwhile, Now now) {
  for (WorkloadRecord& record : records) {
    const LeaseId lease = record.lease();
    Entry& entry = workloads_[lease];
    entry.record = std::move(record);
    switch (entry.record.phase) {
      case Phase::kPreparing:
      case Phase::kPrepared:
        entry.record.phase = Phase::kPreparing;
        actions_.emplace_back(Prepare{entry.record.desired});
        break;
      case Phase::kRunning:
        // The agent may have ended between the record and the act.
        if (entry.record.suspended) {
          actions_.emplace_back(Suspend{lease});
        } else {
          actions_.emplace_back(Resume{lease});
          // Resumed by the record, but no meter proves that the act came before the agent's end:
          // only what runs from here on is sure.
          const bool was_resumed = entry.record.ran > Duration();
          if (was_resumed && entry.record.metered <= entry.record.ran) {
            entry.record.running_since = now.monotonic;
            entry.changed = true;
          }
        }
        break;
      case Phase::kStopping:
        actions_.emplace_back(Stop{lease, notice_reason(entry.record),
                                   std::max(entry.record.kill_at - now.monotonic, Duration(0))});
        break;
      case Phase::kKilling:
        entry.record.kill_at = now.monotonic;
        break;
      case Phase::kCollecting:
        actions_.emplace_back(
            Collect{lease, wants_outputs(entry.record), wants_checkpoint(entry.record)});
        break;
      default:
        break;
    }
  }
  for (const RuntimeEvent& event : meanwhile) occur(event, now);
  fence(now);
}

void Reconciler::link_opened(Now now) {
  fence(now);
  session_.opened(now);
}

void Reconciler::link_closed(Now now) {
  fence(now);
  session_.closed(now);
}

void Reconciler::received(const v1::HubMessage& message, Now now) {
  fence(now);
  const bool was_ready = session_.is_ready();
  session_.received(message, now, actions_);
  if (!was_ready && session_.is_ready()) {
    desired_revision_ = 0;
    dirty_ = true;
  }
  if (session_.has_quit()) {
    for (auto& [lease, entry] : workloads_) entry.wanted = false;
  }
  if (!session_.is_ready()) return;
  if (message.has_desired()) accept(message.desired(), now);
  if (message.has_observed_ack()) accept(message.observed_ack());
}

void Reconciler::happened(const RuntimeEvent& event, Now now) {
  // No look at the fences here: an agent that stood still hears everything at once, and what ended
  // in time must not be fenced, and paid until its fence, before the word of its end that waits
  // behind this one. The clock and messages look at them.
  occur(event, now);
}

void Reconciler::occur(const RuntimeEvent& event, Now now) {
  const auto found = workloads_.find(lease_of(event));
  if (found == workloads_.end()) return;
  Entry& entry = found->second;
  WorkloadRecord& record = entry.record;
  if (std::get_if<Prepared>(&event) != nullptr) {
    if (record.phase != Phase::kPreparing) return;
    record.phase = Phase::kPrepared;
    record.end.set_image_digest(std::get<Prepared>(event).image_digest);
    entry.changed = true;
  } else if (const auto* failed = std::get_if<PrepareFailed>(&event)) {
    if (record.phase != Phase::kPreparing) return;
    record.end.set_reason(failed->reason);
    record.end.set_detail(failed->detail);
    finish(entry);
  } else if (const auto* started = std::get_if<Started>(&event)) {
    if (record.started || record.phase == Phase::kEnded) return;
    record.started = true;
    entry.changed = dirty_ = true;
    if (record.phase > Phase::kStarting) return;  // it is being killed already
    record.phase = Phase::kRunning;
    record.running = true;
    record.running_since = started->at;
    entry.save_at = started->at + checkpoint_interval_of(record);
  } else if (const auto* gone = std::get_if<Exited>(&event)) {
    if (record.is_live()) exited(entry, *gone, now);
  } else if (const auto* checkpoint = std::get_if<Saved>(&event)) {
    saved(entry, *checkpoint, now);
  } else if (const auto* collected = std::get_if<Collected>(&event)) {
    if (record.phase != Phase::kCollecting) return;
    record.end.set_output_manifest(collected->output_manifest);
    finish(entry);
  } else if (const auto* lost = std::get_if<CollectFailed>(&event)) {
    if (record.phase != Phase::kCollecting) return;
    // Without its outputs a task is not done; one that failed anyway keeps its own reason.
    if (record.end.reason() == v1::COMPLETED) {
      record.end.set_reason(lost->reason);
      record.end.set_detail(lost->detail);
    }
    finish(entry);
  }
}

void Reconciler::set_owner(v1::OwnerState owner, Now now) {
  fence(now);
  if (owner == owner_) return;
  owner_ = owner;
  owner_since_ = now.monotonic;
  dirty_ = true;
}

void Reconciler::set_eviction(Duration ask_after, Duration kill_after) {
  eviction_ = Eviction{ask_after, kill_after};
}

void Reconciler::slept(Duration duration, Now now) {
  fence(now);
  for (auto& [lease, entry] : workloads_) {
    WorkloadRecord& record = entry.record;
    if (!record.running) continue;
    record.running_since = std::min(record.running_since + duration, now.monotonic);
    entry.changed = true;
  }
}

void Reconciler::not_stored(LeaseId lease) {
  const auto found = workloads_.find(lease);
  if (found != workloads_.end()) found->second.changed = true;
}

bool Reconciler::has_work_on(std::uint32_t device) const {
  return std::any_of(workloads_.begin(), workloads_.end(), [device](const auto& one) {
    const auto& devices = one.second.record.desired.devices();
    return std::find(devices.begin(), devices.end(), device) != devices.end();
  });
}

std::vector<Action> Reconciler::step(Now now) {
  fence(now);
  session_.step(now, actions_);
  for (auto& [lease, entry] : workloads_) advance(entry, now);
  for (auto it = workloads_.begin(); it != workloads_.end();) {
    if (!is_idle_unwanted(it->second)) {
      ++it;
      continue;
    }
    actions_.emplace_back(Forget{it->first});
    if (forgotten_.insert(it->first).second) forgotten_order_.push_back(it->first);
    if (forgotten_order_.size() > kForgottenMax) {
      forgotten_.erase(forgotten_order_.front());
      forgotten_order_.pop_front();
    }
    it = workloads_.erase(it);
  }
  std::vector<Action> ordered;
  for (auto& [lease, entry] : workloads_) {
    if (std::exchange(entry.changed, false)) ordered.emplace_back(Persist{entry.record});
  }
  if (session_.is_ready() && (dirty_ || session_.heartbeat_due(now))) report(now);
  std::move(actions_.begin(), actions_.end(), std::back_inserter(ordered));
  actions_.clear();
  return ordered;
}

// The first thing in every call: what may no longer run is told so before anything else counts.
void Reconciler::fence(Now now) {
  Duration pause_max = hours(1);  // of who runs nothing: the session's own is shorter
  for (auto& [lease, entry] : workloads_) {
    const WorkloadRecord& record = entry.record;
    if (!record.is_live()) continue;
    pause_max = std::min(pause_max, Duration(fence_span(record).value / kTriesPerFence));
    if (record.phase != Phase::kKilling && record.fence_at <= now.monotonic) {
      kill(entry, v1::HOST_LOST, "the node was cut off from the market and stopped the workload",
           now);
    }
  }
  session_.come_back_within(pause_max);
}

void Reconciler::accept(const v1::Desired& desired, Now now) {
  if (desired.revision() < desired_revision_) return;  // overtaken by a newer one
  desired_revision_ = desired.revision();
  dirty_ = true;
  for (auto& [lease, entry] : workloads_) entry.wanted = false;
  for (const v1::DesiredLease& wanted : desired.leases()) {
    const auto found = workloads_.find(LeaseId(wanted.lease()));
    if (found == workloads_.end()) {
      take_up(wanted, now);
      continue;
    }
    Entry& entry = found->second;
    entry.wanted = true;
    if (entry.record.desired.stop() != wanted.stop() ||
        entry.record.desired.time_us_max() != wanted.time_us_max() ||
        entry.record.desired.stop_grace_us() != wanted.stop_grace_us() ||
        entry.record.desired.proof() != wanted.proof()) {
      entry.record.desired.set_stop(wanted.stop());
      entry.record.desired.set_stop_reason(wanted.stop_reason());
      entry.record.desired.set_time_us_max(wanted.time_us_max());
      entry.record.desired.set_stop_grace_us(wanted.stop_grace_us());
      entry.record.desired.set_proof(wanted.proof());
      entry.changed = true;
    }
  }
}

void Reconciler::accept(const v1::ObservedAck& ack) {
  for (const std::uint64_t lease : ack.ended()) {
    const auto found = workloads_.find(LeaseId(lease));
    if (found != workloads_.end()) found->second.wanted = false;
  }
  const std::optional<Flight> flight = session_.acknowledged(ack.sequence());
  if (!flight) return;
  std::map<LeaseId, std::uint32_t> taken;  // of those whose records do not all count yet
  for (const v1::MetersNotTaken& kept : ack.not_taken())
    taken[LeaseId(kept.lease())] = kept.taken();
  for (const auto& [lease, meter_sequence] : flight->leases) {
    const auto found = workloads_.find(lease);
    if (found == workloads_.end()) continue;
    WorkloadRecord& record = found->second.record;
    const auto kept = taken.find(lease);
    const std::uint32_t last = kept == taken.end() ? meter_sequence : kept->second;
    while (!record.meters.empty() && record.meters.front().sequence() <= last) {
      record.meters.pop_front();
    }
    // More of them wait than one report holds. What does not count yet has time until the next.
    if (!record.meters.empty() && kept == taken.end()) dirty_ = true;
    // What is being killed gets no more time, nor does what the market has ended.
    if (record.phase == Phase::kKilling || !found->second.wanted) continue;
    const Time fence_at = flight->sent_at + fence_span(record);
    if (fence_at <= record.fence_at) continue;
    record.fence_at = fence_at;
    if (record.is_live()) actions_.emplace_back(ExtendFence{lease, fence_at});
  }
}

Time Reconciler::meter_due_at(const WorkloadRecord& record) const {
  if (!record.running || record.meters.size() >= kMetersMax) return kNever;
  const Duration interval =
      std::max(Duration(session_.policy().meter_interval_us()), kMeterIntervalMin);
  return record.running_since + (record.metered - record.ran) + interval;
}

Time Reconciler::deadline_of(const Entry& entry) const {
  const WorkloadRecord& record = entry.record;
  Time at = std::min(meter_due_at(record), save_due_at(entry));
  if (record.is_live()) {
    at = std::min(at, record.phase == Phase::kKilling ? record.kill_at
                                                      : std::min(record.kill_at, record.fence_at));
  }
  if (record.running && record.desired.time_us_max() > 0) {
    at = std::min(at, record.running_since + (Duration(record.desired.time_us_max()) - record.ran));
  }
  if (owner_ == v1::OWNER_PRESENT && record.phase <= Phase::kRunning) {
    at = std::min(at, evict_at());
  }
  return at;
}

Time Reconciler::next_deadline() const {
  if (!actions_.empty() || (dirty_ && session_.is_ready())) return Time{};
  Time at = session_.next_deadline();
  for (const auto& [lease, entry] : workloads_) at = std::min(at, deadline_of(entry));
  return at;
}

void Reconciler::report(Now now) {
  v1::AgentMessage message;
  v1::Observed& observed = *message.mutable_observed();
  observed.set_desired_revision(desired_revision_);
  observed.set_owner(owner_);
  observed.set_complete(true);
  Flight flight;
  for (const auto& [lease, entry] : workloads_) {
    const WorkloadRecord& record = entry.record;
    v1::WorkloadReport& workload = *observed.add_workloads();
    if (record.phase == Phase::kEnded) workload = record.end;
    workload.set_lease(lease.value);
    if (record.phase != Phase::kEnded) {
      if (record.end.has_checkpoint()) *workload.mutable_checkpoint() = record.end.checkpoint();
      workload.set_image_digest(record.end.image_digest());
      workload.set_pulling(record.phase == Phase::kPreparing &&
                           !record.desired.workload().image().empty());
      workload.set_proves(entry.proves);
      workload.set_state(!record.started    ? v1::STARTING
                         : record.suspended ? v1::SUSPENDED
                                            : v1::RUNNING);
    }
    std::uint32_t last_meter = 0;
    const std::size_t count = std::min(record.meters.size(), kMetersPerReport);
    for (std::size_t i = 0; i < count; ++i) {
      *workload.add_meters() = record.meters[i];
      last_meter = record.meters[i].sequence();
    }
    flight.leases.emplace_back(lease, last_meter);
  }
  session_.sent(observed, std::move(flight), now);
  actions_.emplace_back(Send{std::move(message)});
  dirty_ = false;
}

}  // namespace fallow::agent
