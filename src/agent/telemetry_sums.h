// TelemetrySums: from what devices do and workloads have used to a sample of each second and a
// summary of each minute.
//
// Pure: no clock, no I/O. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "agent/runtime.h"
#include "base/types.h"
#include "fallow/v1/telemetry.pb.h"

namespace fallow::agent {

class TelemetrySums {
 public:
  // `uses`: of every workload that runs; its rates are those since the last call that named it.
  // `host`: of the whole machine, as far as that tells it.
  v1::TelemetrySample add(const std::vector<v1::DeviceSample>& devices,
                          const std::map<LeaseId, WorkloadUse>& uses, Time now,
                          const WorkloadUse& host = {});
  // What was added since the last one, when that is a minute; with `is_over` whatever was.
  std::optional<v1::TelemetryMinute> take_minute(Time now, bool is_over);

 private:
  struct Gauge {
    std::uint64_t sum = 0;
    std::uint32_t count = 0;
    std::uint32_t max = 0;
  };
  // Of one device or workload, or of the machine.
  template <class Sample>
  struct Sum {
    Sample last;
    std::map<int, Gauge> gauges;  // by the field's place in the message
    std::vector<v1::ThrottleReason> throttles;

    void add(const Sample& sample);
    void put(Sample& mean, Sample& max) const;
  };
  struct Before {
    WorkloadUse use;
    Time at;
  };

  std::map<LeaseId, Before> before_;  // of the workloads in the last call
  std::optional<Before> host_before_;
  std::map<std::uint32_t, Sum<v1::DeviceSample>> devices_;
  std::map<std::uint64_t, Sum<v1::WorkloadSample>> workloads_;
  Sum<v1::HostSample> host_;
  Time minute_at_{};  // the first sample of this minute
  std::uint32_t samples_ = 0;
};

}  // namespace fallow::agent
