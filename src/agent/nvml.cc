#include "agent/nvml.h"

#include <algorithm>
#include <array>

namespace fallow::agent {
namespace {

constexpr std::size_t kProcessesMax = 512;
constexpr unsigned kGpusMax = 64;

// nvmlProcessInfo_t of the calls that end in _v2 and _v3.
struct NvmlProcess {
  unsigned pid;
  unsigned long long memory_bytes;
  unsigned gpu_instance;
  unsigned compute_instance;
};
// nvmlProcessUtilizationSample_t
struct NvmlSample {
  unsigned pid;
  unsigned long long at_us;
  unsigned percent;
  unsigned memory_percent;
  unsigned encoder_percent;
  unsigned decoder_percent;
};

void add_memory(const Nvml& nvml, void* device, const char* newer, const char* older,
                std::map<int, GpuUse>& uses) {
  using List = int (*)(void*, unsigned*, NvmlProcess*);
  List list = nvml.call<List>(newer);
  if (list == nullptr) list = nvml.call<List>(older);
  std::array<NvmlProcess, kProcessesMax> found{};
  auto count = static_cast<unsigned>(found.size());
  if (list == nullptr || list(device, &count, found.data()) != 0) return;
  for (unsigned i = 0; i < std::min<unsigned>(count, found.size()); ++i) {
    GpuUse& use = uses[static_cast<int>(found[i].pid)];
    // All ones: not known.
    if (found[i].memory_bytes != ~0ULL) {
      use.memory_bytes = std::max<std::uint64_t>(use.memory_bytes, found[i].memory_bytes);
    }
  }
}

void add_time(const Nvml& nvml, void* device, std::map<void*, std::uint64_t>& since_us,
              std::map<int, GpuUse>& uses) {
  const auto list = nvml.call<int (*)(void*, NvmlSample*, unsigned*, unsigned long long)>(
      "nvmlDeviceGetProcessUtilization");
  std::array<NvmlSample, kProcessesMax> found{};
  auto count = static_cast<unsigned>(found.size());
  const auto [since, is_first] = since_us.try_emplace(device, 0);
  if (list == nullptr || list(device, found.data(), &count, since->second) != 0) return;
  for (unsigned i = 0; i < std::min<unsigned>(count, found.size()); ++i) {
    since->second = std::max<std::uint64_t>(since->second, found[i].at_us);
    if (is_first) continue;
    GpuUse& use = uses[static_cast<int>(found[i].pid)];
    use.percent = std::max(use.percent, std::min(found[i].percent, 100U));
  }
}

}  // namespace

bool Nvml::start() const {
  const auto init = call<int (*)()>("nvmlInit_v2");
  return init != nullptr && init() == 0;
}

std::vector<void*> Nvml::devices() const {
  std::vector<void*> handles;
  const auto count_of = call<int (*)(unsigned*)>("nvmlDeviceGetCount_v2");
  const auto handle_of = call<int (*)(unsigned, void**)>("nvmlDeviceGetHandleByIndex_v2");
  unsigned count = 0;
  if (count_of == nullptr || handle_of == nullptr || count_of(&count) != 0) return handles;
  for (unsigned i = 0; i < std::min(count, kGpusMax); ++i) {
    void* handle = nullptr;
    if (handle_of(i, &handle) == 0) handles.push_back(handle);
  }
  return handles;
}

std::vector<GpuUse> gpu_uses(const Nvml& nvml, const std::vector<void*>& devices,
                             std::map<void*, std::uint64_t>& since_us) {
  std::vector<GpuUse> all;
  for (void* device : devices) {
    std::map<int, GpuUse> uses;
    add_memory(nvml, device, "nvmlDeviceGetComputeRunningProcesses_v3",
               "nvmlDeviceGetComputeRunningProcesses_v2", uses);
    add_memory(nvml, device, "nvmlDeviceGetGraphicsRunningProcesses_v3",
               "nvmlDeviceGetGraphicsRunningProcesses_v2", uses);
    add_time(nvml, device, since_us, uses);
    for (auto& [pid, use] : uses) {
      use.pid = pid;
      all.push_back(use);
    }
  }
  return all;
}

}  // namespace fallow::agent
