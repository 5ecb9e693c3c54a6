// The life of one workload: see reconciler.h. The messages and the loop are in reconciler.cc.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "agent/evidence.h"
#include "agent/reconciler.h"
#include "base/meter_bytes.h"

namespace fallow::agent {
namespace {

// A kill that showed no effect is repeated: the supervisor may have missed it.
constexpr Duration kKillAgainAfter = seconds(5);
// What failed at most so long before a device's fault was seen counts as failed by that.
constexpr Duration kFailedJustNow = seconds(10);

std::uint32_t share_of(const WorkloadRecord& record) {
  return record.desired.device_thousandths() == 0 ? 1000 : record.desired.device_thousandths();
}

bool uses_device(const WorkloadRecord& record, std::uint32_t device) {
  const auto& devices = record.desired.devices();
  return std::find(devices.begin(), devices.end(), device) != devices.end();
}

// That the node had no more is no excuse for who asked for nothing of it: else whoever fills a disk
// that was promised to nobody has computed for nothing.
Exited borne_by_order(const v1::DesiredLease& desired, Exited event) {
  const ExitCause told = event.cause;
  if (told == ExitCause::kHostDiskFull && desired.disk_mb() == 0) {
    event.cause = ExitCause::kDiskFull;
    event.detail = "the node ran out of disk, and it had asked for none";
  }
  if (told == ExitCause::kHostOutOfMemory && desired.memory_mb() == 0) {
    event.cause = ExitCause::kOutOfMemory;
    event.detail = "the node ran out of memory, and it had asked for none";
  }
  return event;
}

// It has sent all that it may, and its network is closed.
bool has_sent_all(const WorkloadRecord& record) {
  const std::int64_t most = record.desired.egress_bytes_max();
  return most > 0 && record.egress_bytes >= most;
}

std::string closed_network(const WorkloadRecord& record) {
  const std::int64_t most = record.desired.egress_bytes_max();
  if (most == 1) {
    return "earlier attempts had sent all that the order allows, so its network was closed: allow "
           "it more";
  }
  return fmt::format(
      "it had sent the {:g} GB that the order allows, so its network was closed: allow it more",
      static_cast<double>(most) / 1e9);
}

}  // namespace

// Asked for, and it ended in a way that leaves outputs worth bringing.
bool Reconciler::wants_outputs(const WorkloadRecord& record) {
  const v1::EndReason reason = record.end.reason();
  return record.desired.workload().collect_output() &&
         (reason == v1::COMPLETED || reason == v1::EXIT_CODE || reason == v1::STOPPED ||
          reason == v1::TIME_LIMIT);
}

void Reconciler::take_up(const v1::DesiredLease& desired, Now now) {
  const LeaseId lease(desired.lease());
  if (workloads_.size() >= kLeasesMax || forgotten_.contains(lease)) return;
  Entry& entry = workloads_[lease];
  entry.record.desired = desired;
  entry.changed = true;
  if (desired.stop()) {
    stop(entry, v1::STOPPED, "it was stopped before it could start", now);
  } else if (owner_ == v1::OWNER_PRESENT) {
    stop(entry, v1::OWNER_RETURNED, "the owner had just come back", now);
  } else {
    actions_.emplace_back(Prepare{desired});
  }
}

void Reconciler::advance(Entry& entry, Now now) {
  WorkloadRecord& record = entry.record;
  if (!entry.wanted) {
    if (record.is_live() && record.phase != Phase::kKilling) {
      kill(entry, v1::WORKLOAD_LOST, "the market had ended the lease", now);
    }
  } else if (record.desired.stop() && record.phase <= Phase::kRunning) {
    stop(entry, v1::STOPPED, "", now);
  }
  if (record.phase <= Phase::kRunning) advance_owner(entry, now);
  // Whatever it is stopped for.
  if (record.phase == Phase::kStopping) record.kill_at = std::min(record.kill_at, evicted_by());
  if (entry.proves != may_prove(entry, now)) {
    entry.proves = !entry.proves;
    dirty_ = true;
  }
  if (record.phase == Phase::kPrepared && entry.wanted && may_start(entry, now)) {
    record.phase = Phase::kStarting;
    entry.changed = true;
    actions_.emplace_back(Start{record.desired, record.fence_at});
  }
  if (record.phase == Phase::kRunning && record.running) {
    const std::int64_t time_us_max = record.desired.time_us_max();
    if (time_us_max > 0 && record.running_time(now.monotonic).value >= time_us_max) {
      stop(entry, v1::TIME_LIMIT, "the time that was paid for has run", now);
    } else if (now.monotonic >= meter_due_at(record)) {
      issue_meter(entry, now);
    }
  }
  if (now.monotonic >= save_due_at(entry)) {
    entry.saving = true;
    entry.saving_since = now.monotonic;
    actions_.emplace_back(Save{record.lease()});
  }
  if ((record.phase == Phase::kStopping || record.phase == Phase::kKilling) &&
      now.monotonic >= record.kill_at) {
    kill(entry, record.stop_reason, record.stop_detail, now);
  }
}

void Reconciler::advance_owner(Entry& entry, Now now) {
  WorkloadRecord& record = entry.record;
  if (owner_ != v1::OWNER_PRESENT) {
    if (!record.suspended) return;
    record.suspended = false;
    record.running = true;
    record.running_since = now.monotonic;
    entry.changed = dirty_ = true;
    actions_.emplace_back(TellOwner{v1::LEASE_RESUMED, record.lease()});
    actions_.emplace_back(Resume{record.lease()});
    return;
  }
  if (record.phase == Phase::kRunning && !record.suspended) {
    settle(entry, now.monotonic, now);
    record.suspended = true;
    entry.changed = dirty_ = true;
    actions_.emplace_back(TellOwner{v1::LEASE_SUSPENDED, record.lease()});
    actions_.emplace_back(Suspend{record.lease()});
  }
  if (now.monotonic >= evict_at()) {
    stop(entry, v1::OWNER_RETURNED, "the owner of the node came back", now);
  }
}

bool Reconciler::may_start(const Entry& entry, Now now) const {
  return entry.record.desired.proof() == 0 && !entry.held && may_have_devices(entry, now);
}

// Beside whatever is still made ready for it.
bool Reconciler::may_prove(const Entry& entry, Now now) const {
  const WorkloadRecord& record = entry.record;
  return record.desired.proof() != 0 && record.phase <= Phase::kPrepared && entry.wanted &&
         !record.desired.stop() && may_have_devices(entry, now);
}

bool Reconciler::may_prove(LeaseId lease, std::uint64_t proof, Now now) const {
  const auto found = workloads_.find(lease);
  return found != workloads_.end() && found->second.record.desired.proof() == proof &&
         may_prove(found->second, now);
}

void Reconciler::set_held(LeaseId lease, bool held) {
  const auto found = workloads_.find(lease);
  if (found != workloads_.end()) found->second.held = held;
}

bool Reconciler::may_have_devices(const Entry& entry, Now now) const {
  const WorkloadRecord& record = entry.record;
  if (record.fence_at <= now.monotonic || owner_ == v1::OWNER_PRESENT) return false;
  for (const std::uint32_t device : record.desired.devices()) {
    std::uint32_t taken = share_of(record);
    for (const auto& [lease, other] : workloads_) {
      const bool has_it = other.record.is_live() || (other.held && &other != &entry);
      if (has_it && uses_device(other.record, device)) {
        taken += share_of(other.record);
      }
    }
    if (taken > 1000) return false;
  }
  return true;
}

bool Reconciler::is_idle_unwanted(const Entry& entry) const {
  return !entry.wanted && !entry.record.is_live() && !entry.held;
}

void Reconciler::stop(Entry& entry, v1::EndReason reason, std::string detail, Now now) {
  WorkloadRecord& record = entry.record;
  if (record.phase != Phase::kRunning) {
    kill(entry, reason, std::move(detail), now);
    return;
  }
  settle(entry, now.monotonic, now);
  record.phase = Phase::kStopping;
  record.stop_reason = reason;
  record.stop_detail = std::move(detail);
  record.stopped_at = now.monotonic;
  record.kill_at = std::min(now.monotonic + grace(record), evicted_by());
  entry.changed = dirty_ = true;
  if (notice_reason(record) == v1::OWNER_RETURNED) {
    actions_.emplace_back(TellOwner{v1::LEASE_EVICTED, record.lease()});
  }
  actions_.emplace_back(Stop{record.lease(), notice_reason(record),
                             std::max(record.kill_at - now.monotonic, Duration(0))});
}

void Reconciler::kill(Entry& entry, v1::EndReason reason, std::string detail, Now now) {
  WorkloadRecord& record = entry.record;
  if (record.phase != Phase::kPrepared) actions_.emplace_back(Kill{record.lease()});
  entry.changed = true;
  if (!record.is_live()) {
    record.end.set_reason(reason);
    record.end.set_detail(std::move(detail));
    finish(entry);
    return;
  }
  settle(entry, std::min(now.monotonic, record.fence_at), now);
  // The first reason counts: what was being stopped is only stopped harder now.
  if (record.stop_reason == v1::END_REASON_UNSPECIFIED) {
    record.stop_reason = reason;
    record.stopped_at = now.monotonic;
  }
  if (record.stop_detail.empty()) record.stop_detail = std::move(detail);
  record.phase = Phase::kKilling;
  record.kill_at = now.monotonic + kKillAgainAfter;
}

void Reconciler::exited(Entry& entry, const Exited& told, Now now) {
  WorkloadRecord& record = entry.record;
  const Exited event = borne_by_order(record.desired, told);
  entry.exited_at = now.monotonic;
  const Time at = event.at.us == 0 ? now.monotonic : std::min(event.at, now.monotonic);
  if (event.cause == ExitCause::kLost && record.running) {
    // Nobody saw when it ended: only what was proven before counts.
    record.ran = std::max(record.ran, record.metered);
    record.running = false;
  }
  count_sent(record, event.egress_bytes);
  settle(entry, at, now);
  issue_meter(entry, now);  // also of what stood still already, for what it had sent by then
  const v1::EndReason own = verdict_of(evidence_of(event)).reason;
  // A device at fault may be noticed only after it has made the program fail.
  const bool by_device = record.stop_reason == v1::DEVICE_FAULT && own == v1::EXIT_CODE;
  const bool stopped =
      by_device || (record.stop_reason != v1::END_REASON_UNSPECIFIED && record.stopped_at <= at);
  const bool completed =
      event.cause == ExitCause::kExited && event.exit_code == 0 && event.signal == 0;
  record.end.set_reason(stopped ? record.stop_reason : own);
  record.end.set_exit_code(event.exit_code);
  record.end.set_signal(event.signal);
  const bool is_explained = !completed && !record.stop_detail.empty();
  record.end.set_detail(!stopped       ? words_of(event)
                        : is_explained ? record.stop_detail
                                       : event.detail);
  if (record.end.reason() == v1::EXIT_CODE && has_sent_all(record)) {
    record.end.set_detail(closed_network(record));
  }
  entry.changed = dirty_ = true;
  record.phase = Phase::kCollecting;
  if (entry.wanted) {
    actions_.emplace_back(Collect{record.lease(), wants_outputs(record), wants_checkpoint(record)});
  }
}

// What has begun to end for another reason keeps it; but what failed just now has failed by this.
void Reconciler::device_failed(std::uint32_t device, std::string_view why, Now now) {
  for (auto& [lease, entry] : workloads_) {
    WorkloadRecord& record = entry.record;
    if (!uses_device(record, device)) continue;
    if (record.phase == Phase::kCollecting && record.end.reason() == v1::EXIT_CODE &&
        now.monotonic - entry.exited_at <= kFailedJustNow) {
      record.end.set_reason(v1::DEVICE_FAULT);
      record.end.set_detail(std::string(why));
      entry.changed = true;
    } else if (record.phase <= Phase::kRunning) {
      kill(entry, v1::DEVICE_FAULT, std::string(why), now);
    }
  }
}

// Stored with the next record: what a lost agent had counted since the last is lost, too.
void Reconciler::devices_slowed(const std::map<std::uint32_t, Duration>& lost, Now now) {
  if (session_.policy().credit_basis_points_max() == 0) return;
  for (auto& [lease, entry] : workloads_) {
    WorkloadRecord& record = entry.record;
    const auto& devices = record.desired.devices();
    if (!record.running || devices.empty()) continue;
    Duration sum;
    for (const std::uint32_t device : devices) {
      const auto found = lost.find(device);
      if (found != lost.end()) sum += found->second;
    }
    record.slowed = std::min(record.slowed + Duration(sum.value / devices.size()),
                             record.running_time(now.monotonic));
  }
}

void Reconciler::sent(LeaseId lease, std::int64_t egress_bytes) {
  const auto found = workloads_.find(lease);
  if (found != workloads_.end()) count_sent(found->second.record, egress_bytes);
}

// Stored with the next record, likewise.
void Reconciler::count_sent(WorkloadRecord& record, std::int64_t egress_bytes) const {
  const bool counts = session_.policy().prices_egress() || record.desired.egress_bytes_max() > 0;
  if (counts) record.egress_bytes = std::max(record.egress_bytes, egress_bytes);
}

void Reconciler::finish(Entry& entry) {
  WorkloadRecord& record = entry.record;
  record.phase = Phase::kEnded;
  record.end.set_lease(record.lease().value);
  record.end.set_state(v1::ENDED);
  entry.changed = dirty_ = true;
}

void Reconciler::settle(Entry& entry, Time at, Now now) {
  WorkloadRecord& record = entry.record;
  if (!record.running) return;
  record.ran = record.running_time(at);
  record.running = false;
  issue_meter(entry, now);
}

void Reconciler::issue_meter(Entry& entry, Now now) {
  WorkloadRecord& record = entry.record;
  // The end may be known to be before the last record; what was sent since then counts all the
  // same.
  const Duration running = std::max(record.running_time(now.monotonic), record.metered);
  if (running == record.metered && record.egress_bytes <= entry.egress_metered) return;
  // One place is kept for the record that settles the end.
  if (record.meters.size() >= kMetersMax + (record.running ? 0 : 1)) return;
  v1::MeterRecord meter;
  meter.set_lease(record.lease().value);
  meter.set_sequence(++record.meter_sequence);
  meter.set_running_us(running.value);
  meter.set_measured_at_us(now.wall.us);
  // Less may have run than was counted when nobody saw the end.
  const Duration slowed = std::min(record.slowed, running);
  meter.set_slowed_us(slowed.value);
  meter.set_egress_bytes(record.egress_bytes);
  meter.set_signature(
      to_bytes(signer_.sign(meter_bytes(signer_.public_key(), record.lease(), record.meter_sequence,
                                        running, now.wall, slowed, record.egress_bytes))));
  record.meters.push_back(std::move(meter));
  record.metered = running;
  entry.egress_metered = record.egress_bytes;
  entry.changed = dirty_ = true;
}

// The market closes a lease close_after its last word from us. A sixth of that is left for the
// kill, for clocks that drift and for the time between our sending and our counting.
Duration Reconciler::fence_span(const WorkloadRecord& record) const {
  const std::int64_t of_lease_us = record.desired.close_after_us();
  const Duration close_after(of_lease_us > 0 ? of_lease_us : session_.policy().close_after_us());
  return close_after - Duration(close_after.value / 6);
}

// Of what the market ends, its own word: a report says STOPPED of all that.
v1::EndReason Reconciler::notice_reason(const WorkloadRecord& record) {
  const v1::EndReason of_market = record.desired.stop_reason();
  const bool is_told = v1::EndReason_IsValid(of_market) && of_market != v1::END_REASON_UNSPECIFIED;
  return record.stop_reason == v1::STOPPED && is_told ? of_market : record.stop_reason;
}

Time Reconciler::evict_at() const {
  const Duration notice(session_.policy().owner_notice_us());
  return owner_since_ + (eviction_ ? std::min(notice, eviction_->ask_after) : notice);
}

// The owner's terms bound the workload's grace; without them it has that after the notice.
Time Reconciler::evicted_by() const {
  if (!eviction_ || owner_ != v1::OWNER_PRESENT) return kNever;
  return owner_since_ + eviction_->kill_after;
}

Duration Reconciler::grace(const WorkloadRecord& record) const {
  return Duration(record.desired.stop_grace_us() > 0 ? record.desired.stop_grace_us()
                                                     : session_.policy().stop_grace_us());
}

}  // namespace fallow::agent
