// OpenCL as the agent uses it: handles that are given back by themselves, what a device says of
// itself, and which of a machine's devices stand for a node's.
//
// Only in the processes that ask drivers, which may hang or crash (inventory, proof).
#pragma once

#define CL_TARGET_OPENCL_VERSION 300
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS  // what every driver has
#include <CL/cl.h>
#include <CL/cl_ext.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "agent/opencl_choice.h"

namespace fallow::agent {

constexpr cl_uint kDevicesMax = 64;

struct ReleaseOpenCl {
  void operator()(cl_context x) const { clReleaseContext(x); }
  void operator()(cl_command_queue x) const { clReleaseCommandQueue(x); }
  void operator()(cl_program x) const { clReleaseProgram(x); }
  void operator()(cl_kernel x) const { clReleaseKernel(x); }
  void operator()(cl_mem x) const { clReleaseMemObject(x); }
};
template <class Handle>
using OwnedOpenCl = std::unique_ptr<std::remove_pointer_t<Handle>, ReleaseOpenCl>;

template <class T>
T value_of(cl_device_id device, cl_device_info what) {
  T value{};
  ::clGetDeviceInfo(device, what, sizeof(value), &value, nullptr);
  return value;
}
// At most 4,095 bytes, without control characters.
std::string text_of(cl_device_id device, cl_device_info what);
// Up to a NUL, control characters as blanks.
std::string cleaned(std::string_view text);
bool is_processor(cl_device_id device);
// Its PCI address, "0000:03:00.0"; empty: its driver does not say.
std::string pci_of(cl_device_id device);
std::string pci_name(unsigned domain, unsigned bus, unsigned device, unsigned function);

// `files`: its device files. `pci`: its address there, empty where its driver does not say.
using VisitOpenCl = std::function<void(cl_device_id device, const std::vector<std::string>& files,
                                       const std::string& pci)>;
// `why`: a sentence for the owner.
using LeftOutOpenCl = std::function<void(cl_device_id device, const std::string& why)>;
// Calls `each` as soon as a device is found that stands for one of the node's, in the order of
// platforms; agent/opencl_choice.h says which. With `has_nvml` NVIDIA's are left out, which NVML
// lists. `left_out`, if any, is told of what the owner could have.
void visit_opencl_devices(bool has_nvml, const VisitOpenCl& each,
                          const LeftOutOpenCl& left_out = {});
// NVIDIA's alone.
std::vector<cl_device_id> opencl_nvidia_devices();

}  // namespace fallow::agent
