#include <sys/eventfd.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>
#include <vector>

#include "agent/agent_impl.h"
#include "agent/host_use.h"
#include "agent/metrics_text.h"

namespace fallow::agent {
namespace {

// However long somebody says that he or she watches.
constexpr Duration kWatchMax = minutes(1);
// Of those who read the metrics: longer than from one reading to the next.
constexpr Duration kScrapedFor = seconds(90);
constexpr std::chrono::seconds kFreshWaitMax(3);
// Between two messages about the owner; a hub drops what comes faster than its own bound.
constexpr Duration kOwnerPause = seconds(1);
// Between two samples of a loop that was held up.
constexpr Duration kStepMin = milliseconds(500);
// What one look says of the time since the one before: nobody has seen more than that.
constexpr Duration kSeenMax = seconds(3);

std::map<std::uint32_t, Duration> time_lost(const std::vector<v1::DeviceSample>& samples,
                                            Duration span) {
  std::map<std::uint32_t, Duration> lost;
  for (const v1::DeviceSample& sample : samples) {
    if (sample.slowed_thousandths() == 0) continue;
    lost[sample.device()] = Duration(span.value * sample.slowed_thousandths() / 1'000);
  }
  return lost;
}

}  // namespace

void Agent::Impl::watch_telemetry(const v1::WatchTelemetry& watch) {
  const Duration asked_for(std::clamp<std::int64_t>(watch.for_us(), 0, kWatchMax.value));
  watched_until = std::max(watched_until, read_now().monotonic + asked_for);
}

void Agent::Impl::hear_devices() {
  for (const DeviceFault& fault : device_watch.take_faults()) {
    spdlog::error("device {}: {}", fault.device, fault.words);
    reconciler.device_failed(fault.device, fault.words, read_now());
  }
}

// Only while a lease runs or somebody watches: an idle node looks at nothing.
void Agent::Impl::measure() {
  const Now read = read_now();
  const Time now = read.monotonic;
  std::vector<LeaseId> running;
  for (const auto& [lease, entry] : reconciler.workloads()) {
    if (entry.record.is_live()) running.push_back(lease);
  }
  const bool is_watched = now < watched_until;
  const bool wanted = !running.empty() || is_watched || now < Time{scraped_until_us.load()};
  if (wanted != measures) {
    measures = wanted;
    measured_at = now;
    measure_at = now + DeviceWatch::kEvery;  // with a look at the devices
    device_watch.set_wanted(wanted);
  }
  // The renter of the last workload does not wait for a minute that only Prometheus asks for.
  if (!measures || (runs && running.empty())) tell_telemetry(nullptr, sums.take_minute(now, true));
  if (runs && running.empty()) store_energy();
  runs = !running.empty();
  if (!measures || now < measure_at) return;
  // In step, but what was missed is not made up for.
  measure_at = std::max(measure_at + DeviceWatch::kEvery, now + kStepMin);
  const std::vector<v1::DeviceSample> devices = device_watch.latest();
  const Duration span = std::min(now - std::exchange(measured_at, now), kSeenMax);
  reconciler.devices_slowed(time_lost(devices, span), read);
  note_energy(devices, span);
  std::map<LeaseId, WorkloadUse> uses;
  for (const LeaseId lease : running) {
    const WorkloadUse use = uses[lease] = runtime.use(lease);
    if (use.egress_bytes) {
      reconciler.sent(lease, static_cast<std::int64_t>(*use.egress_bytes));
    }
  }
  const v1::TelemetrySample sample = sums.add(devices, uses, now, host_use(""));
  const std::optional<v1::TelemetryMinute> minute = sums.take_minute(now, false);
  if (minute) store_energy();
  tell_telemetry(is_watched ? &sample : nullptr, minute);
  const std::lock_guard held(metrics_mutex);
  metrics_sample = sample;
  metrics_at = now;
  metrics_fresh.notify_all();
}

// While a lease is suspended its devices are their owner's.
void Agent::Impl::note_energy(const std::vector<v1::DeviceSample>& devices, Duration span) {
  std::map<LeaseId, std::vector<std::uint32_t>> used;
  for (const auto& [lease, entry] : reconciler.workloads()) {
    const WorkloadRecord& record = entry.record;
    if (!record.is_live() || record.suspended) continue;
    used[lease].assign(record.desired.devices().begin(), record.desired.devices().end());
  }
  energy.add(used, devices, span);
}

void Agent::Impl::store_energy() {
  const Status stored = energy.store();
  if (!stored)
    spdlog::warn("what leases used of energy is not written: {}", stored.error().message);
}

void Agent::Impl::tell_telemetry(const v1::TelemetrySample* sample,
                                 const std::optional<v1::TelemetryMinute>& minute) {
  if ((sample == nullptr && !minute) || !reconciler.session().takes_telemetry()) return;
  v1::AgentMessage message;
  v1::Telemetry& telemetry = *message.mutable_telemetry();
  if (sample != nullptr) *telemetry.mutable_now() = *sample;
  if (minute) *telemetry.mutable_minute() = *minute;
  send(message);
}

// What a connection that breaks takes along is missing: nothing of it counts.
void Agent::Impl::tell_owner() {
  const Time now = read_now().monotonic;
  if (owner_notes.empty() || !reconciler.session().takes_telemetry() ||
      now < owner_told_at + kOwnerPause) {
    return;
  }
  v1::AgentMessage message;
  *message.mutable_telemetry() = owner_notes.telemetry(now);
  if (!send(message)) return;
  owner_notes.sent();
  owner_told_at = now;
}

std::string Agent::Impl::metrics() {
  const Time asked = read_now().monotonic;
  scraped_until_us = (asked + kScrapedFor).us;
  ::eventfd_write(wake.get(), 1);
  std::unique_lock held(metrics_mutex);
  metrics_fresh.wait_for(held, kFreshWaitMax, [&] { return metrics_at >= asked; });
  return metrics_text(metrics_at >= asked ? metrics_sample : v1::TelemetrySample(),
                      options.devices);
}

}  // namespace fallow::agent
