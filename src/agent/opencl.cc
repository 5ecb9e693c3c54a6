#include "agent/opencl.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

namespace fallow::agent {
namespace {

// cl_nv_device_attribute_query: not in every cl_ext.h. The slot is the device and the function.
constexpr cl_device_info kPciBusOfNvidia = 0x4008;
constexpr cl_device_info kPciSlotOfNvidia = 0x4009;
constexpr cl_device_info kPciDomainOfNvidia = 0x400A;

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

std::string pci_name(unsigned domain, unsigned bus, unsigned device, unsigned function) {
  return fmt::format("{:04x}:{:02x}:{:02x}.{:x}", domain, bus, device, function);
}

std::string pci_of(cl_device_id device) {
  const auto khr = value_of<cl_device_pci_bus_info_khr>(device, CL_DEVICE_PCI_BUS_INFO_KHR);
  if (khr.pci_bus != 0 || khr.pci_device != 0) {
    return pci_name(khr.pci_domain, khr.pci_bus, khr.pci_device, khr.pci_function);
  }
  // What the makers' own had before.
  const auto vendor = value_of<cl_uint>(device, CL_DEVICE_VENDOR_ID);
  if (vendor == kNvidiaVendor) {
    const auto bus = value_of<cl_uint>(device, kPciBusOfNvidia);
    const auto slot = value_of<cl_uint>(device, kPciSlotOfNvidia);
    if (bus == 0 && slot == 0) return "";
    return pci_name(value_of<cl_uint>(device, kPciDomainOfNvidia), bus, slot >> 3U, slot & 7U);
  }
  if (vendor != kAmdVendor) return "";
  const auto amd = value_of<cl_device_topology_amd>(device, CL_DEVICE_TOPOLOGY_AMD);
  if (amd.raw.type != CL_DEVICE_TOPOLOGY_TYPE_PCIE_AMD) return "";
  const auto number = [](cl_char byte) { return static_cast<cl_uint>(byte) & 0xFFU; };
  // It knows no domains.
  return pci_name(0, number(amd.pcie.bus), number(amd.pcie.device), number(amd.pcie.function));
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
