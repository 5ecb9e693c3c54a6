// The OpenCL devices of this machine, and the kernel on one of them.
//
// One thread. Needs nothing but the loader (libOpenCL) and some vendor's driver.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "pathtrace/tracer.h"

namespace fallow::pathtrace {

struct DeviceInfo {
  std::string name;
  std::string platform;
  std::string driver;
  bool is_gpu = false;
  bool usable = false;  // it rounds to nearest, has a compiler, and is little-endian
};

// All devices, in the loader's order. Empty when there is no driver.
std::vector<DeviceInfo> opencl_devices();

// `wanted`: "auto" (the first usable GPU, then anything usable), a number from the list, or part of
// a name. Copies the scene to the device and compiles the kernel. kNotFound when no device fits,
// with what to install when there is none at all; kFailed with the compiler's words when it
// refuses the kernel.
Result<std::unique_ptr<Tracer>> opencl_tracer(const std::string& wanted, const Scene& scene);

// Makes the environment fit for PoCL; call before any other function here, while there is one
// thread. PoCL caches compiled kernels in POCL_CACHE_DIR: when that is unset, it is set to a
// private, writable folder. It also calls the linker, so a sandbox without PATH gets the usual one.
void prepare_pocl();

}  // namespace fallow::pathtrace
