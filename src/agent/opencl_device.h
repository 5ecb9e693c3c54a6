// A device under proof over OpenCL: the kernels of proof.cl.
//
// Owner: the process that proves; one thread a device. What the driver refuses is an error with its
// number; a driver that hangs hangs the thread.
#pragma once

#include <memory>

#include "agent/opencl.h"
#include "base/result.h"
#include "proof/device.h"

namespace fallow::agent {

// Compiles the kernels: seconds, the first time.
Result<std::unique_ptr<proof::Device>> open_opencl_device(cl_device_id device);

}  // namespace fallow::agent
