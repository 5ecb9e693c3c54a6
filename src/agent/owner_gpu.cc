#include "agent/owner_gpu.h"

#include <utility>

#include "agent/process_facts.h"

namespace fallow::agent {

GpuSigns::GpuSigns(Nvml nvml, Thresholds thresholds, std::string root, int agent, std::string mark)
    : nvml_(nvml),
      thresholds_(thresholds),
      root_(std::move(root)),
      agent_(agent),
      mark_(std::move(mark)) {
  if (nvml_.start()) devices_ = nvml_.devices();
}

std::optional<std::string> GpuSigns::look() {
  for (const GpuUse& use : gpu_uses(nvml_, devices_, since_us_)) {
    const std::uint64_t memory_mb = use.memory_bytes >> 20;
    const bool much_memory = thresholds_.memory_mb > 0 && memory_mb >= thresholds_.memory_mb;
    const bool much_time = thresholds_.percent > 0 && use.percent >= thresholds_.percent;
    if (!much_memory && !much_time) continue;
    const std::string name = process_names(root_, use.pid).name;
    // The driver tells of some that are gone already.
    if (name.empty() || whose_process(root_, use.pid, agent_, mark_) != Whose::kOthers) continue;
    return name + (much_time ? " uses a GPU" : " holds a GPU's memory");
  }
  return std::nullopt;
}

}  // namespace fallow::agent
