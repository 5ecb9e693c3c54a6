// The hidden mode that asks the drivers: see agent/inventory.h for the lines it prints.
#define CL_TARGET_OPENCL_VERSION 300
#include <CL/cl.h>
#include <CL/cl_ext.h>
#include <dlfcn.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "agent/inventory.h"
#include "base/file.h"

namespace fallow::agent {
namespace {

constexpr cl_uint kNvidiaVendor = 0x10DE;
constexpr cl_uint kDevicesMax = 64;

struct Found {
  std::string source;
  std::string kind;
  std::string name;
  std::uint64_t memory_bytes = 0;
  std::string driver;
  std::string uuid;
  std::vector<std::string> files;
};

// Flushed at once: a driver that hangs or crashes later takes nothing back.
void print(const Found& found) {
  std::string line = fmt::format("{}\t{}\t{}\t{}\t{}\t{}", found.source, found.kind, found.name,
                                 found.memory_bytes, found.driver, found.uuid);
  for (const std::string& file : found.files) line += "\t" + file;
  std::puts(line.c_str());
  std::fflush(stdout);
}

std::string cleaned(std::string_view text) {
  std::string clean;
  for (const char c : text) {
    if (c == '\0') break;
    clean.push_back(c < ' ' ? ' ' : c);
  }
  return clean;
}

// The few calls of NVML that are needed, as its ABI has them (nvml.h of the CUDA toolkit).
class Nvml {
 public:
  Nvml() : library_(::dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL)) {}

  std::vector<Found> devices() const {
    std::vector<Found> found;
    const auto init = call<int (*)()>("nvmlInit_v2");
    const auto count_of = call<int (*)(unsigned*)>("nvmlDeviceGetCount_v2");
    const auto handle_of = call<int (*)(unsigned, void**)>("nvmlDeviceGetHandleByIndex_v2");
    const auto name_of = call<int (*)(void*, char*, unsigned)>("nvmlDeviceGetName");
    const auto uuid_of = call<int (*)(void*, char*, unsigned)>("nvmlDeviceGetUUID");
    const auto memory_of = call<int (*)(void*, Memory*)>("nvmlDeviceGetMemoryInfo");
    const auto minor_of = call<int (*)(void*, unsigned*)>("nvmlDeviceGetMinorNumber");
    const auto driver_of = call<int (*)(char*, unsigned)>("nvmlSystemGetDriverVersion");
    unsigned count = 0;
    if (!init || !count_of || !handle_of || !name_of || !uuid_of || !memory_of || !minor_of ||
        !driver_of || init() != 0 || count_of(&count) != 0) {
      return found;
    }
    std::array<char, 96> text{};
    const std::string driver =
        driver_of(text.data(), text.size()) == 0 ? cleaned({text.data(), text.size()}) : "";
    for (unsigned i = 0; i < std::min(count, kDevicesMax); ++i) {
      void* handle = nullptr;
      unsigned minor = 0;
      Memory memory{};
      Found one{"nvml", "gpu", "", 0, driver, "", {}};
      if (handle_of(i, &handle) != 0 || minor_of(handle, &minor) != 0) continue;
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

 private:
  struct Memory {
    unsigned long long total;
    unsigned long long free;
    unsigned long long used;
  };
  template <class Function>
  Function call(const char* name) const {
    return library_ == nullptr ? nullptr : reinterpret_cast<Function>(::dlsym(library_, name));
  }
  void* library_;  // stays loaded: the process ends soon
};

std::string text_of(cl_device_id device, cl_device_info what) {
  std::array<char, 256> text{};
  if (::clGetDeviceInfo(device, what, text.size() - 1, text.data(), nullptr) != CL_SUCCESS) {
    return "";
  }
  return cleaned({text.data(), text.size()});
}

template <class T>
T value_of(cl_device_id device, cl_device_info what) {
  T value{};
  ::clGetDeviceInfo(device, what, sizeof(value), &value, nullptr);
  return value;
}

std::vector<std::string> render_nodes(const std::string& folder_path) {
  std::vector<std::string> files;
  std::error_code error;  // no such folder: no such files
  std::filesystem::directory_iterator file(folder_path, error);
  for (; !error && file != std::filesystem::directory_iterator(); file.increment(error)) {
    const std::string name = file->path().filename().string();
    if (name.starts_with("renderD")) files.push_back("/dev/dri/" + name);
  }
  std::sort(files.begin(), files.end());
  return files;
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

Found describe(cl_device_id device) {
  Found one{"opencl", "gpu", text_of(device, CL_DEVICE_NAME), 0, "", "", {}};
  one.memory_bytes = value_of<cl_ulong>(device, CL_DEVICE_GLOBAL_MEM_SIZE);
  one.driver = text_of(device, CL_DRIVER_VERSION);
  if ((value_of<cl_device_type>(device, CL_DEVICE_TYPE) & CL_DEVICE_TYPE_CPU) != 0) {
    one.kind = "cpu";
    if (const std::string name = processor_name(); !name.empty()) one.name = name;
    return one;
  }
  const auto pci = value_of<cl_device_pci_bus_info_khr>(device, CL_DEVICE_PCI_BUS_INFO_KHR);
  if (pci.pci_bus != 0 || pci.pci_device != 0) {
    one.uuid = fmt::format("{:04x}:{:02x}:{:02x}.{:x}", pci.pci_domain, pci.pci_bus, pci.pci_device,
                           pci.pci_function);
    one.files = render_nodes("/sys/bus/pci/devices/" + one.uuid + "/drm");
  }
  // A driver that does not say where its device sits: the render nodes of all.
  if (one.files.empty()) one.files = render_nodes("/dev/dri");
  if (::access("/dev/kfd", F_OK) == 0) one.files.emplace_back("/dev/kfd");
  return one;
}

void print_opencl(bool has_nvml) {
  std::array<cl_platform_id, 16> platforms{};
  cl_uint platform_count = 0;
  if (::clGetPlatformIDs(static_cast<cl_uint>(platforms.size()), platforms.data(),
                         &platform_count) != CL_SUCCESS) {
    return;
  }
  bool has_cpu = false;
  for (cl_uint p = 0; p < std::min<cl_uint>(platform_count, platforms.size()); ++p) {
    std::array<cl_device_id, kDevicesMax> devices{};
    cl_uint count = 0;
    if (::clGetDeviceIDs(platforms[p], CL_DEVICE_TYPE_ALL, kDevicesMax, devices.data(), &count) !=
        CL_SUCCESS) {
      continue;
    }
    for (cl_uint d = 0; d < std::min(count, kDevicesMax); ++d) {
      if (has_nvml && value_of<cl_uint>(devices[d], CL_DEVICE_VENDOR_ID) == kNvidiaVendor) continue;
      const Found one = describe(devices[d]);
      // Two platforms may both offer the one processor.
      if (one.kind == "cpu" && std::exchange(has_cpu, true)) continue;
      print(one);
    }
  }
}

}  // namespace

int probe_devices_main() {
  const std::vector<Found> nvidia = Nvml().devices();
  for (const Found& one : nvidia) print(one);
  print_opencl(!nvidia.empty());
  return 0;
}

}  // namespace fallow::agent
