// DeviceGauges: what a node's devices do at this moment, and what is wrong with them.
//
// NVIDIA's by its management library, processors by /proc and RAPL; of others nothing. One thread;
// a driver may hang in a look.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/evidence.h"
#include "agent/launch.h"
#include "agent/nvml.h"
#include "agent/rapl.h"
#include "fallow/v1/telemetry.pb.h"

namespace fallow::agent {

// A device that is at fault. Of one that is gone, in every look.
struct DeviceFault {
  std::uint32_t device = 0;  // its place in the node
  Evidence evidence = Evidence::kDeviceBroken;
  std::string words;  // for the renter
};

class DeviceGauges {
 public:
  // `root` as in process_facts.h. Devices of the library are told by their UUID.
  DeviceGauges(Nvml nvml, const std::vector<LocalDevice>& devices, std::string root);

  // There is something to look at.
  bool has_any() const { return !watched_.empty() || processor_.has_value(); }
  // From here on: what was complained of, and what errors there were before, is no fault.
  void begin();
  std::vector<v1::DeviceSample> look(Time now, std::vector<DeviceFault>& faults);

 private:
  struct Watched {
    std::uint32_t device = 0;
    std::string model;
    void* handle = nullptr;
    unsigned core_mhz_max = 0;                           // 0: not known
    std::uint64_t xid = 0;                               // the last, since begin()
    std::vector<std::uint64_t> xids_new;                 // since the last look
    std::optional<std::uint32_t> ecc_uncorrected_known;  // at the last look
  };
  struct Processor {
    std::uint32_t device = 0;
    std::optional<Time> at;  // of the last look
    Duration busy;           // until then
  };

  template <class... Arguments>
  int ask(bool& is_lost, const char* name, Arguments... arguments) const;
  void take_complaints();
  v1::DeviceSample sample_of(const Watched& one, bool& is_lost) const;
  void judge(Watched& one, const v1::DeviceSample& sample, bool is_lost,
             std::vector<DeviceFault>& faults);
  v1::DeviceSample sample_of_processor(Time now);

  const Nvml nvml_;
  const std::string root_;
  std::vector<Watched> watched_;
  std::optional<Processor> processor_;
  Rapl rapl_;
  void* event_set_ = nullptr;
};

}  // namespace fallow::agent
