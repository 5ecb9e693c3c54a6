// The kernel on an OpenCL device of this machine.
//
// One thread.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "opencl/opencl.h"
#include "pathtrace/tracer.h"

namespace fallow::pathtrace {

// `wanted`: see opencl::choose_device(). Copies the scene to the device and compiles the kernel.
// kFailed with the compiler's words when it refuses the kernel.
Result<std::unique_ptr<Tracer>> opencl_tracer(const std::string& wanted, const Scene& scene);

}  // namespace fallow::pathtrace
