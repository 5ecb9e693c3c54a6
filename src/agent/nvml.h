// Nvml: NVIDIA's management library, as far as it is needed, found at run time.
//
// Its ABI is that of nvml.h of the CUDA toolkit; a machine without it is as good. A driver may hang
// in any call: ask from a process or a thread that others do not wait for. One thread.
#pragma once

#include <dlfcn.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace fallow::agent {

class Nvml {
 public:
  Nvml() : library_(::dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL)) {}
  // A library that was opened elsewhere, e.g. a test's.
  explicit Nvml(void* library) : library_(library) {}

  // Null when the library, or this one of its functions, is not there.
  template <class Function>
  Function call(const char* name) const {
    return library_ == nullptr ? nullptr : reinterpret_cast<Function>(::dlsym(library_, name));
  }
  // False: there is no device to ask for.
  bool start() const;
  // Handles of the devices, none when there is no library or no driver.
  std::vector<void*> devices() const;

 private:
  void* library_;  // stays loaded: drivers do not like to be unloaded
};

// What one process does with one GPU.
struct GpuUse {
  int pid = 0;
  std::uint64_t memory_bytes = 0;  // 0 when the driver does not say
  std::uint32_t percent = 0;       // of the device's time lately
};

// Of every device and process; a process of two devices is there twice. `since_us`: until when a
// device's time was told, by its own count; what it noted since counts, and of a device that is new
// there nothing: it keeps what was used long ago.
std::vector<GpuUse> gpu_uses(const Nvml& nvml, const std::vector<void*>& devices,
                             std::map<void*, std::uint64_t>& since_us);

}  // namespace fallow::agent
