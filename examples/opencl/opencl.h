// OpenCL as the examples use it: the devices of this machine, and a program of one source on one of
// them.
//
// One thread. Needs nothing but the loader (libOpenCL) and some vendor's driver.
#pragma once

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/result.h"

namespace fallow::opencl {

struct DeviceInfo {
  std::string name;
  std::string platform;
  std::string driver;
  bool is_gpu = false;
  bool usable = false;  // it rounds to nearest, has a compiler, and is little-endian
};
struct Device {
  cl_platform_id platform = nullptr;
  cl_device_id id = nullptr;
  DeviceInfo info;
};

// All devices, in the loader's order. Empty when there is no driver.
std::vector<Device> all_devices();

// `wanted`: "auto" (the first usable GPU, then anything usable), a number from the list, or part of
// a name. kNotFound when no device fits, with what to install when there is none at all.
Result<Device> choose_device(const std::string& wanted);

// Makes the environment fit for PoCL; call before any other function here, while there is one
// thread. PoCL caches compiled kernels in POCL_CACHE_DIR: when that is unset, it is set to a
// private, writable folder. It also calls the linker, so a sandbox without PATH gets the usual one.
void prepare_pocl();

struct Release {
  void operator()(cl_context x) const { clReleaseContext(x); }
  void operator()(cl_command_queue x) const { clReleaseCommandQueue(x); }
  void operator()(cl_program x) const { clReleaseProgram(x); }
  void operator()(cl_kernel x) const { clReleaseKernel(x); }
  void operator()(cl_mem x) const { clReleaseMemObject(x); }
};
template <class Handle>
using Owned = std::unique_ptr<std::remove_pointer_t<Handle>, Release>;

// Of one group. Fixed, because PoCL compiles anew for every size.
constexpr std::size_t kGroupItems = 32;

// A device that is open, with its program. A value.
struct Session {
  std::string name;
  cl_device_id device = nullptr;
  Owned<cl_context> context;
  Owned<cl_command_queue> queue;
  Owned<cl_program> program;

  // kFailed with the compiler's words when it refuses the source.
  static Result<Session> open(const Device& device, std::string_view source);
  Result<Owned<cl_kernel>> kernel(const char* function) const;
  // A buffer that holds the bytes.
  Result<Owned<cl_mem>> buffer(cl_mem_flags flags, const void* bytes, std::size_t size) const;

  static Status set(cl_kernel kernel, cl_uint place, cl_uint value);
  static Status set(cl_kernel kernel, cl_uint place, const Owned<cl_mem>& buffer);
  // Queues at least so many work-items: up to kGroupItems - 1 more come, and the kernel passes them
  // over.
  Status launch(cl_kernel kernel, std::size_t items) const;
  // Until all that was queued has run.
  Status finish() const;
  // The buffer's first bytes, after all that was queued.
  Status read(const Owned<cl_mem>& buffer, void* into, std::size_t size) const;
};

// "the OpenCL device cannot ... (error -5); try another --device"
tl::unexpected<Error> cl_failed(const char* what, cl_int code);

}  // namespace fallow::opencl
