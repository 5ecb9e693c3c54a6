#include "agent/telemetry_sums.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <limits>
#include <type_traits>

namespace fallow::agent {
namespace {

constexpr Duration kTelemetryMinute = minutes(1);

std::uint32_t rate_of(std::int64_t amount, std::int64_t per_us) {
  return static_cast<std::uint32_t>(std::clamp<Wide>(Wide{amount} * 1'000 / per_us, 0,
                                                     std::numeric_limits<std::uint32_t>::max()));
}

// 1,000 bytes a second; nothing when one of the two is not known.
std::optional<std::uint32_t> kbps_of(std::optional<std::uint64_t> before,
                                     std::optional<std::uint64_t> after, Duration span) {
  if (!before || !after || span.value <= 0) return std::nullopt;
  // Processes that have ended may take their figures with them.
  const std::uint64_t bytes = *after > *before ? *after - *before : 0;
  return rate_of(static_cast<std::int64_t>(bytes), span.value);
}

// Of a workload or of the machine. `before`: what it had used `span` ago; null: nobody knows.
template <class Sample>
void put_use(Sample& sample, const WorkloadUse& use, const WorkloadUse* before, Duration span) {
  if (use.memory_bytes) {
    sample.set_memory_mb(static_cast<std::uint32_t>(std::min<std::uint64_t>(
        *use.memory_bytes >> 20, std::numeric_limits<std::uint32_t>::max())));
  }
  if (before == nullptr || span.value <= 0) return;
  if (use.processor && before->processor) {
    sample.set_cpu_thousandths(rate_of((*use.processor - *before->processor).value, span.value));
  }
  if (const auto kbps = kbps_of(before->disk_read_bytes, use.disk_read_bytes, span)) {
    sample.set_disk_read_kbps(*kbps);
  }
  if (const auto kbps = kbps_of(before->disk_written_bytes, use.disk_written_bytes, span)) {
    sample.set_disk_written_kbps(*kbps);
  }
  if (const auto kbps = kbps_of(before->network_in_bytes, use.network_in_bytes, span)) {
    sample.set_network_in_kbps(*kbps);
  }
  if (const auto kbps = kbps_of(before->network_out_bytes, use.network_out_bytes, span)) {
    sample.set_network_out_kbps(*kbps);
  }
}

}  // namespace

template <class Sample>
void TelemetrySums::Sum<Sample>::add(const Sample& sample) {
  last = sample;
  const auto& type = *sample.GetDescriptor();
  const auto& reflection = *sample.GetReflection();
  for (int i = 0; i < type.field_count(); ++i) {
    const auto* const field = type.field(i);
    if (!field->has_optional_keyword() || !reflection.HasField(sample, field)) continue;
    const std::uint32_t value = reflection.GetUInt32(sample, field);
    Gauge& gauge = gauges[i];
    gauge.sum += value;
    ++gauge.count;
    gauge.max = std::max(gauge.max, value);
  }
  if constexpr (std::is_same_v<Sample, v1::DeviceSample>) {
    for (const int reason : sample.throttled_by()) {
      const auto named = static_cast<v1::ThrottleReason>(reason);
      if (std::find(throttles.begin(), throttles.end(), named) == throttles.end()) {
        throttles.push_back(named);
      }
    }
  }
}

template <class Sample>
void TelemetrySums::Sum<Sample>::put(Sample& mean, Sample& max) const {
  mean = last;
  max = last;
  const auto& type = *last.GetDescriptor();
  const auto& reflection = *last.GetReflection();
  for (const auto& [place, gauge] : gauges) {
    const auto* const field = type.field(place);
    reflection.SetUInt32(&max, field, gauge.max);
    // What is only ever counted up has no mean.
    if (field->name().rfind("ecc_", 0) == 0) continue;
    reflection.SetUInt32(&mean, field,
                         static_cast<std::uint32_t>((gauge.sum + gauge.count / 2) / gauge.count));
  }
  if constexpr (std::is_same_v<Sample, v1::DeviceSample>) {
    mean.clear_throttled_by();
    max.clear_throttled_by();
    for (const v1::ThrottleReason reason : throttles) max.add_throttled_by(reason);
  }
}

v1::TelemetrySample TelemetrySums::add(const std::vector<v1::DeviceSample>& devices,
                                       const std::map<LeaseId, WorkloadUse>& uses, Time now,
                                       const WorkloadUse& host) {
  v1::TelemetrySample sample;
  for (const v1::DeviceSample& device : devices) *sample.add_devices() = device;
  for (const auto& [lease, use] : uses) {
    const auto found = before_.find(lease);
    const bool is_first = found == before_.end();
    v1::WorkloadSample& one = *sample.add_workloads();
    one.set_lease(lease.value);
    put_use(one, use, is_first ? nullptr : &found->second.use,
            is_first ? Duration() : now - found->second.at);
  }
  v1::HostSample machine;
  put_use(machine, host, host_before_ ? &host_before_->use : nullptr,
          host_before_ ? now - host_before_->at : Duration());
  if (machine.ByteSizeLong() > 0) *sample.mutable_host() = machine;
  before_.clear();
  for (const auto& [lease, use] : uses) before_[lease] = {use, now};
  host_before_ = Before{host, now};
  if (samples_ == 0) minute_at_ = now;
  ++samples_;
  for (const v1::DeviceSample& device : sample.devices()) devices_[device.device()].add(device);
  for (const v1::WorkloadSample& one : sample.workloads()) workloads_[one.lease()].add(one);
  if (sample.has_host()) host_.add(sample.host());
  return sample;
}

std::optional<v1::TelemetryMinute> TelemetrySums::take_minute(Time now, bool is_over) {
  if (samples_ == 0 || (!is_over && now - minute_at_ < kTelemetryMinute)) return std::nullopt;
  v1::TelemetryMinute minute;
  minute.set_seconds(samples_);
  for (const auto& [device, sum] : devices_) {
    sum.put(*minute.mutable_mean()->add_devices(), *minute.mutable_max()->add_devices());
  }
  for (const auto& [lease, sum] : workloads_) {
    sum.put(*minute.mutable_mean()->add_workloads(), *minute.mutable_max()->add_workloads());
  }
  if (!host_.gauges.empty()) {
    host_.put(*minute.mutable_mean()->mutable_host(), *minute.mutable_max()->mutable_host());
  }
  devices_.clear();
  workloads_.clear();
  host_ = {};
  samples_ = 0;
  if (is_over) {
    before_.clear();
    host_before_.reset();
  }
  return minute;
}

}  // namespace fallow::agent
