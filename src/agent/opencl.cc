#include "agent/opencl.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

namespace fallow::agent {
namespace {

template <class Each>
void each_device(Each&& each) {
  std::array<cl_platform_id, 16> platforms{};
  cl_uint platform_count = 0;
  if (::clGetPlatformIDs(static_cast<cl_uint>(platforms.size()), platforms.data(),
                         &platform_count) != CL_SUCCESS) {
    return;
  }
  for (cl_uint p = 0; p < std::min<cl_uint>(platform_count, platforms.size()); ++p) {
    std::array<cl_device_id, kDevicesMax> devices{};
    cl_uint count = 0;
    if (::clGetDeviceIDs(platforms[p], CL_DEVICE_TYPE_ALL, kDevicesMax, devices.data(), &count) !=
        CL_SUCCESS) {
      continue;
    }
    for (cl_uint d = 0; d < std::min(count, kDevicesMax); ++d) each(p, devices[d]);
  }
}

bool is_nvidia(cl_device_id device) {
  return value_of<cl_uint>(device, CL_DEVICE_VENDOR_ID) == kNvidiaVendor;
}

// "0000:03:00.0"; empty: the driver does not say.
std::string pci_of(cl_device_id device) {
  const auto khr = value_of<cl_device_pci_bus_info_khr>(device, CL_DEVICE_PCI_BUS_INFO_KHR);
  if (khr.pci_bus != 0 || khr.pci_device != 0) {
    return fmt::format("{:04x}:{:02x}:{:02x}.{:x}", khr.pci_domain, khr.pci_bus, khr.pci_device,
                       khr.pci_function);
  }
  // What AMD's had before, which knows no domains.
  if (value_of<cl_uint>(device, CL_DEVICE_VENDOR_ID) != kAmdVendor) return "";
  const auto amd = value_of<cl_device_topology_amd>(device, CL_DEVICE_TOPOLOGY_AMD);
  if (amd.raw.type != CL_DEVICE_TOPOLOGY_TYPE_PCIE_AMD) return "";
  const auto number = [](cl_char byte) { return static_cast<cl_uint>(byte) & 0xFFU; };
  return fmt::format("0000:{:02x}:{:02x}.{:x}", number(amd.pcie.bus), number(amd.pcie.device),
                     number(amd.pcie.function));
}

}  // namespace

std::string cleaned(std::string_view text) {
  std::string clean;
  for (const char c : text) {
    if (c == '\0') break;
    clean.push_back(c < ' ' ? ' ' : c);
  }
  return clean;
}

std::string text_of(cl_device_id device, cl_device_info what) {
  std::array<char, 4096> text{};
  if (::clGetDeviceInfo(device, what, text.size() - 1, text.data(), nullptr) != CL_SUCCESS) {
    return "";
  }
  return cleaned({text.data(), text.size()});
}

bool is_processor(cl_device_id device) {
  return (value_of<cl_device_type>(device, CL_DEVICE_TYPE) & CL_DEVICE_TYPE_CPU) != 0;
}

void visit_opencl_devices(bool has_nvml, const VisitOpenCl& each, const LeftOutOpenCl& left_out) {
  OpenClChoice choice(has_nvml);
  each_device([&](std::size_t platform, cl_device_id device) {
    const std::string pci = pci_of(device);
    const auto verdict = choice.judge(
        {platform, is_processor(device), value_of<cl_uint>(device, CL_DEVICE_VENDOR_ID), pci});
    if (verdict.is_taken) {
      each(device, verdict.files, pci);
    } else if (left_out && !verdict.why.empty()) {
      left_out(device, verdict.why);
    }
  });
}

std::vector<cl_device_id> opencl_nvidia_devices() {
  std::vector<cl_device_id> found;
  each_device([&](std::size_t, cl_device_id device) {
    if (is_nvidia(device)) found.push_back(device);
  });
  return found;
}

}  // namespace fallow::agent
