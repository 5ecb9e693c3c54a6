// GpuSigns: whether a process that is no renter's uses a GPU of this machine (NVIDIA, by NVML).
//
// One thread; a driver may hang in a look.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/nvml.h"

namespace fallow::agent {

class GpuSigns {
 public:
  struct Thresholds {
    std::uint32_t memory_mb = 0;  // of one process; 0: memory is no sign
    std::uint32_t percent = 0;    // of one process; 0: time is no sign
  };
  // `root`, `agent` and `mark` as in process_facts.h.
  GpuSigns(Nvml nvml, Thresholds thresholds, std::string root, int agent, std::string mark);

  bool has_devices() const { return !devices_.empty(); }
  // "blender uses a GPU", or nothing.
  std::optional<std::string> look();

 private:
  const Nvml nvml_;
  const Thresholds thresholds_;
  const std::string root_;
  const int agent_;
  const std::string mark_;
  std::vector<void*> devices_;
  std::map<void*, std::uint64_t> since_us_;
};

}  // namespace fallow::agent
