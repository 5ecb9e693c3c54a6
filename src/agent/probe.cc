// The hidden mode that asks the drivers: see agent/inventory.h for the lines it prints.
#include <fmt/core.h>

#include <array>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "agent/inventory.h"
#include "agent/nvml.h"
#include "agent/opencl.h"
#include "base/file.h"

namespace fallow::agent {
namespace {

struct Found {
  std::string source;
  std::string kind;
  std::string name;
  std::uint64_t memory_bytes = 0;
  std::string driver;
  std::string uuid;
  std::string pci;
  std::vector<std::string> files;
};

// Flushed at once: a driver that hangs or crashes later takes nothing back.
void print(const Found& found) {
  std::string line = fmt::format("{}\t{}\t{}\t{}\t{}\t{}\t{}", found.source, found.kind, found.name,
                                 found.memory_bytes, found.driver, found.uuid, found.pci);
  for (const std::string& file : found.files) line += "\t" + file;
  std::puts(line.c_str());
  std::fflush(stdout);
}

struct NvmlMemory {
  unsigned long long total;
  unsigned long long free;
  unsigned long long used;
};

// nvmlPciInfo_t
struct NvmlPci {
  std::array<char, 16> short_name;
  unsigned domain;
  unsigned bus;
  unsigned device;
  unsigned device_id;
  unsigned subsystem_id;
  std::array<char, 32> name;
};

std::string nvml_pci_of(const Nvml& nvml, void* handle) {
  const auto place_of = nvml.call<int (*)(void*, NvmlPci*)>("nvmlDeviceGetPciInfo_v3");
  NvmlPci place{};
  if (place_of == nullptr || place_of(handle, &place) != 0) return "";
  return pci_name(place.domain, place.bus, place.device, 0);
}

std::vector<Found> nvidia_devices(const Nvml& nvml) {
  std::vector<Found> found;
  const auto name_of = nvml.call<int (*)(void*, char*, unsigned)>("nvmlDeviceGetName");
  const auto uuid_of = nvml.call<int (*)(void*, char*, unsigned)>("nvmlDeviceGetUUID");
  const auto memory_of = nvml.call<int (*)(void*, NvmlMemory*)>("nvmlDeviceGetMemoryInfo");
  const auto minor_of = nvml.call<int (*)(void*, unsigned*)>("nvmlDeviceGetMinorNumber");
  const auto driver_of = nvml.call<int (*)(char*, unsigned)>("nvmlSystemGetDriverVersion");
  if (!name_of || !uuid_of || !memory_of || !minor_of || !driver_of || !nvml.start()) return found;
  std::array<char, 96> text{};
  const std::string driver =
      driver_of(text.data(), text.size()) == 0 ? cleaned({text.data(), text.size()}) : "";
  for (void* handle : nvml.devices()) {
    unsigned minor = 0;
    NvmlMemory memory{};
    Found one{"nvml", "gpu", "", 0, driver, "", nvml_pci_of(nvml, handle), {}};
    if (minor_of(handle, &minor) != 0) continue;
    if (name_of(handle, text.data(), text.size()) == 0) {
      one.name = cleaned({text.data(), text.size()});
    }
    if (uuid_of(handle, text.data(), text.size()) == 0) {
      one.uuid = cleaned({text.data(), text.size()});
    }
    if (memory_of(handle, &memory) == 0) one.memory_bytes = memory.total;
    one.files = {"/dev/nvidia" + std::to_string(minor), "/dev/nvidiactl", "/dev/nvidia-uvm",
                 "/dev/nvidia-uvm-tools"};
    found.push_back(std::move(one));
  }
  return found;
}

std::string processor_name() {
  const auto text = read_file("/proc/cpuinfo", std::size_t{4} << 20);
  constexpr std::string_view kKey = "model name";
  const std::size_t at = text ? text->find(kKey) : std::string::npos;
  if (at == std::string::npos) return "";
  const std::size_t begin = text->find_first_not_of("\t :", at + kKey.size());
  if (begin == std::string::npos) return "";
  return text->substr(begin, text->find('\n', begin) - begin);
}

Found describe(cl_device_id device, const std::vector<std::string>& files, const std::string& pci) {
  Found one{"opencl", "gpu", text_of(device, CL_DEVICE_NAME), 0, "", "", "", {}};
  one.memory_bytes = value_of<cl_ulong>(device, CL_DEVICE_GLOBAL_MEM_SIZE);
  one.driver = text_of(device, CL_DRIVER_VERSION);
  if (is_processor(device)) {
    one.kind = "cpu";
    if (const std::string name = processor_name(); !name.empty()) one.name = name;
    return one;
  }
  one.uuid = one.pci = pci;
  one.files = files;
  return one;
}

void print_left_out(cl_device_id device, const std::string& why) {
  const std::string line =
      fmt::format("{}\t{}, as driver {} lists it, is not offered: {}", kProbeNote,
                  text_of(device, CL_DEVICE_NAME), text_of(device, CL_DRIVER_VERSION), why);
  std::puts(line.c_str());
  std::fflush(stdout);
}

}  // namespace

int probe_devices_main() {
  const std::vector<Found> nvidia = nvidia_devices(Nvml());
  for (const Found& one : nvidia) print(one);
  visit_opencl_devices(
      !nvidia.empty(),
      [](cl_device_id device, const auto& files, const auto& pci) {
        print(describe(device, files, pci));
      },
      print_left_out);
  return 0;
}

}  // namespace fallow::agent
