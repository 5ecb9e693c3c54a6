#include "agent/opencl.h"

#include <algorithm>
#include <array>
#include <utility>

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
    for (cl_uint d = 0; d < std::min(count, kDevicesMax); ++d) each(devices[d]);
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

void visit_opencl_devices(bool has_nvml, const std::function<void(cl_device_id)>& each) {
  bool has_processor = false;
  each_device([&](cl_device_id device) {
    if (has_nvml && is_nvidia(device)) return;
    if (is_processor(device) && std::exchange(has_processor, true)) return;
    each(device);
  });
}

std::vector<cl_device_id> opencl_nvidia_devices() {
  std::vector<cl_device_id> found;
  each_device([&](cl_device_id device) {
    if (is_nvidia(device)) found.push_back(device);
  });
  return found;
}

}  // namespace fallow::agent
