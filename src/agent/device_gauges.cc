#include "agent/device_gauges.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "agent/host_use.h"
#include "agent/owner_machine.h"

namespace fallow::agent {
namespace {

// Of nvml.h.
constexpr int kNvmlFine = 0;
constexpr int kNvmlNoFunction = 13;
constexpr int kNvmlLost = 15;
constexpr unsigned long long kNvmlXidEvents = 0x8;
constexpr int kNvmlTemperatureOfChip = 0;
constexpr int kNvmlClockOfCores = 1;
constexpr int kNvmlClockOfMemory = 2;
constexpr int kNvmlCorrected = 0;
constexpr int kNvmlUncorrected = 1;
constexpr int kNvmlSinceDriver = 0;
struct NvmlThrottle {
  unsigned long long bits;
  v1::ThrottleReason reason;
};
// Left out: an idle device, and clocks that somebody has set.
constexpr std::array<NvmlThrottle, 5> kNvmlThrottles{{{0x04, v1::THROTTLED_BY_POWER},
                                                      {0x20, v1::THROTTLED_BY_HEAT},
                                                      {0x40, v1::THROTTLED_BY_HEAT},
                                                      {0x80, v1::THROTTLED_BY_SUPPLY},
                                                      {0x08, v1::THROTTLED_BY_HARDWARE}}};
struct NvmlRates {
  unsigned device;
  unsigned memory;
};
struct NvmlSizes {
  unsigned long long total;
  unsigned long long free;
  unsigned long long used;
};
struct NvmlEvent {
  void* device;
  unsigned long long type;
  unsigned long long data;
  unsigned gpu_instance;
  unsigned compute_instance;
};
// It has no work; whatever else is told, its clocks are low for that.
constexpr unsigned long long kNvmlIdle = 0x01;
// Slowed down, and not by a limit of power that somebody has set or sold it with.
constexpr unsigned long long kNvmlSlowed = 0x08 | 0x20 | 0x40 | 0x80;
// In one look: more would be a driver that repeats itself.
constexpr int kNvmlEventsMax = 256;

std::uint32_t in_32_bits(unsigned long long value) {
  return static_cast<std::uint32_t>(
      std::min<unsigned long long>(value, std::numeric_limits<std::uint32_t>::max()));
}

}  // namespace

template <class... Arguments>
int DeviceGauges::ask(bool& is_lost, const char* name, Arguments... arguments) const {
  const auto function = nvml_.call<int (*)(Arguments...)>(name);
  if (function == nullptr) return kNvmlNoFunction;
  const int code = function(arguments...);
  is_lost = is_lost || code == kNvmlLost;
  return code;
}

DeviceGauges::DeviceGauges(Nvml nvml, const std::vector<LocalDevice>& devices, std::string root)
    : nvml_(nvml), root_(std::move(root)), rapl_(root_) {
  bool is_lost = false;
  const std::vector<void*> handles = nvml_.start() ? nvml_.devices() : std::vector<void*>();
  for (void* handle : handles) {
    std::array<char, 96> text{};
    if (ask(is_lost, "nvmlDeviceGetUUID", handle, text.data(),
            static_cast<unsigned>(text.size())) != kNvmlFine) {
      continue;
    }
    const std::string uuid = text.data();
    const auto found = std::find_if(devices.begin(), devices.end(),
                                    [&](const auto& one) { return one.facts.uuid() == uuid; });
    if (found == devices.end()) continue;
    Watched one;
    one.device = found->facts.index();
    one.model = found->facts.model();
    one.handle = handle;
    if (ask(is_lost, "nvmlDeviceGetMaxClockInfo", handle, kNvmlClockOfCores, &one.core_mhz_max) !=
        kNvmlFine) {
      one.core_mhz_max = 0;
    }
    watched_.push_back(std::move(one));
  }
  for (const LocalDevice& device : devices) {
    if (device.facts.kind() == v1::CPU && processor_time(root_)) {
      processor_ = Processor();
      processor_->device = device.facts.index();
    }
  }
  if (watched_.empty() || ask(is_lost, "nvmlEventSetCreate", &event_set_) != kNvmlFine) {
    event_set_ = nullptr;
    return;
  }
  for (const Watched& one : watched_) {
    ask(is_lost, "nvmlDeviceRegisterEvents", one.handle, kNvmlXidEvents, event_set_);
  }
}

void DeviceGauges::begin() {
  take_complaints();
  for (Watched& one : watched_) {
    one.xid = 0;
    one.xids_new.clear();
    one.ecc_uncorrected_known.reset();
  }
  if (processor_) processor_->at.reset();
  rapl_.begin();
}

void DeviceGauges::take_complaints() {
  if (event_set_ == nullptr) return;
  bool is_lost = false;
  for (int i = 0; i < kNvmlEventsMax; ++i) {
    NvmlEvent event{};
    int code = ask(is_lost, "nvmlEventSetWait_v2", event_set_, &event, 0U);
    if (code == kNvmlNoFunction) {
      code = ask(is_lost, "nvmlEventSetWait", event_set_, &event, 0U);
    }
    if (code != kNvmlFine) return;
    for (Watched& one : watched_) {
      if (one.handle != event.device || (event.type & kNvmlXidEvents) == 0) continue;
      one.xid = event.data;
      one.xids_new.push_back(event.data);
    }
  }
}

std::vector<v1::DeviceSample> DeviceGauges::look(Time now, std::vector<DeviceFault>& faults) {
  std::vector<v1::DeviceSample> samples;
  take_complaints();
  for (Watched& one : watched_) {
    bool is_lost = false;
    samples.push_back(sample_of(one, is_lost));
    judge(one, samples.back(), is_lost, faults);
  }
  if (processor_) samples.push_back(sample_of_processor(now));
  return samples;
}

v1::DeviceSample DeviceGauges::sample_of(const Watched& one, bool& is_lost) const {
  v1::DeviceSample sample;
  sample.set_device(one.device);
  sample.set_xid(in_32_bits(one.xid));
  void* const handle = one.handle;
  NvmlRates rates{};
  if (ask(is_lost, "nvmlDeviceGetUtilizationRates", handle, &rates) == kNvmlFine) {
    sample.set_percent(std::min(rates.device, 100U));
  }
  NvmlSizes sizes{};
  if (ask(is_lost, "nvmlDeviceGetMemoryInfo", handle, &sizes) == kNvmlFine) {
    sample.set_memory_mb(in_32_bits(sizes.used >> 20));
  }
  unsigned number = 0;
  if (ask(is_lost, "nvmlDeviceGetPowerUsage", handle, &number) == kNvmlFine) {
    sample.set_milliwatts(number);
  }
  if (ask(is_lost, "nvmlDeviceGetTemperature", handle, kNvmlTemperatureOfChip, &number) ==
      kNvmlFine) {
    sample.set_celsius(number);
  }
  if (ask(is_lost, "nvmlDeviceGetClockInfo", handle, kNvmlClockOfCores, &number) == kNvmlFine) {
    sample.set_core_mhz(number);
  }
  if (ask(is_lost, "nvmlDeviceGetClockInfo", handle, kNvmlClockOfMemory, &number) == kNvmlFine) {
    sample.set_memory_mhz(number);
  }
  unsigned long long bits = 0;
  if (ask(is_lost, "nvmlDeviceGetCurrentClocksThrottleReasons", handle, &bits) == kNvmlFine) {
    for (const NvmlThrottle& one_of : kNvmlThrottles) {
      const auto& told = sample.throttled_by();
      if ((bits & one_of.bits) == 0) continue;
      if (std::find(told.begin(), told.end(), one_of.reason) == told.end()) {
        sample.add_throttled_by(one_of.reason);
      }
    }
    if (sample.has_core_mhz() && one.core_mhz_max > 0) {
      const bool is_slowed = (bits & kNvmlSlowed) != 0 && (bits & kNvmlIdle) == 0;
      const std::uint64_t now_mhz = std::min(sample.core_mhz(), one.core_mhz_max);
      sample.set_slowed_thousandths(
          is_slowed ? static_cast<std::uint32_t>(1'000 - now_mhz * 1'000 / one.core_mhz_max) : 0);
    }
  }
  unsigned long long errors = 0;
  if (ask(is_lost, "nvmlDeviceGetTotalEccErrors", handle, kNvmlCorrected, kNvmlSinceDriver,
          &errors) == kNvmlFine) {
    sample.set_ecc_corrected(in_32_bits(errors));
  }
  if (ask(is_lost, "nvmlDeviceGetTotalEccErrors", handle, kNvmlUncorrected, kNvmlSinceDriver,
          &errors) == kNvmlFine) {
    sample.set_ecc_uncorrected(in_32_bits(errors));
  }
  return sample;
}

void DeviceGauges::judge(Watched& one, const v1::DeviceSample& sample, bool is_lost,
                         std::vector<DeviceFault>& faults) {
  const auto add = [&](Evidence evidence, const std::string& sign) {
    faults.push_back({one.device, evidence,
                      fmt::format("{} ({}, {})", verdict_of(evidence).words, one.model, sign)});
  };
  for (const std::uint64_t xid : std::exchange(one.xids_new, {})) {
    if (const auto evidence = evidence_of_xid(xid)) add(*evidence, fmt::format("Xid {}", xid));
  }
  if (is_lost) add(Evidence::kDeviceLost, "its driver has lost it");
  if (!sample.has_ecc_uncorrected()) return;
  const auto known = std::exchange(one.ecc_uncorrected_known, sample.ecc_uncorrected());
  if (known && sample.ecc_uncorrected() > *known) {
    add(Evidence::kDeviceMemory, fmt::format("errors: {}", sample.ecc_uncorrected()));
  }
}

v1::DeviceSample DeviceGauges::sample_of_processor(Time now) {
  v1::DeviceSample sample;
  sample.set_device(processor_->device);
  if (const auto used = memory_used_bytes(root_)) sample.set_memory_mb(in_32_bits(*used >> 20));
  if (const auto power = rapl_.milliwatts(now)) sample.set_milliwatts(*power);
  const auto busy = processor_time(root_);
  if (!busy) return sample;
  static const std::int64_t cores = std::max(::sysconf(_SC_NPROCESSORS_ONLN), 1L);
  if (processor_->at && now > *processor_->at) {
    const std::int64_t whole_us = (now - *processor_->at).value * cores;
    const std::int64_t busy_us = (*busy - processor_->busy).value;
    sample.set_percent(
        static_cast<std::uint32_t>(std::clamp<std::int64_t>(busy_us * 100 / whole_us, 0, 100)));
  }
  processor_->at = now;
  processor_->busy = *busy;
  return sample;
}

}  // namespace fallow::agent
