#include "opencl/opencl.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>

namespace fallow::opencl {
namespace {

constexpr cl_uint kPlatformsMax = 16;
constexpr cl_uint kDevicesMax = 64;  // of one platform

std::string device_text(cl_device_id device, cl_device_info which) {
  std::size_t size = 0;
  if (clGetDeviceInfo(device, which, 0, nullptr, &size) != CL_SUCCESS || size == 0) return "?";
  std::string text(size, '\0');
  if (clGetDeviceInfo(device, which, size, text.data(), nullptr) != CL_SUCCESS) return "?";
  text.resize(std::char_traits<char>::length(text.c_str()));
  return text;
}

template <class T>
T device_value(cl_device_id device, cl_device_info which) {
  T value{};
  return clGetDeviceInfo(device, which, sizeof value, &value, nullptr) == CL_SUCCESS ? value : T{};
}

std::string platform_name(cl_platform_id platform) {
  char text[256] = {};
  if (clGetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof text - 1, text, nullptr) != CL_SUCCESS)
    return "?";
  return text;
}

// A folder that is ours alone: PoCL loads code from it.
bool make_private_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder.parent_path(), error);
  if (mkdir(folder.c_str(), 0700) == 0) return true;
  struct stat info {};
  return lstat(folder.c_str(), &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == geteuid() &&
         (info.st_mode & 0022) == 0 && access(folder.c_str(), W_OK) == 0;
}

}  // namespace

tl::unexpected<Error> cl_failed(const char* what, cl_int code) {
  return fail(ErrorCode::kFailed, "the OpenCL device cannot {} (error {}); try another --device",
              what, code);
}

std::vector<Device> all_devices() {
  std::vector<Device> devices;
  cl_platform_id platforms[kPlatformsMax];
  cl_uint platform_count = 0;
  if (clGetPlatformIDs(kPlatformsMax, platforms, &platform_count) != CL_SUCCESS) return devices;
  for (cl_uint p = 0; p < std::min(platform_count, kPlatformsMax); ++p) {
    cl_device_id ids[kDevicesMax];
    cl_uint count = 0;
    if (clGetDeviceIDs(platforms[p], CL_DEVICE_TYPE_ALL, kDevicesMax, ids, &count) != CL_SUCCESS)
      continue;
    for (cl_uint d = 0; d < std::min(count, kDevicesMax); ++d) {
      Device device{platforms[p], ids[d], {}};
      device.info.name = device_text(ids[d], CL_DEVICE_NAME);
      device.info.driver = device_text(ids[d], CL_DRIVER_VERSION);
      device.info.platform = platform_name(platforms[p]);
      device.info.is_gpu =
          (device_value<cl_device_type>(ids[d], CL_DEVICE_TYPE) & CL_DEVICE_TYPE_GPU) != 0;
      const auto floats = device_value<cl_device_fp_config>(ids[d], CL_DEVICE_SINGLE_FP_CONFIG);
      device.info.usable = (floats & CL_FP_ROUND_TO_NEAREST) != 0 &&
                           device_value<cl_bool>(ids[d], CL_DEVICE_AVAILABLE) == CL_TRUE &&
                           device_value<cl_bool>(ids[d], CL_DEVICE_COMPILER_AVAILABLE) == CL_TRUE &&
                           device_value<cl_bool>(ids[d], CL_DEVICE_ENDIAN_LITTLE) == CL_TRUE;
      devices.push_back(std::move(device));
    }
  }
  return devices;
}

Result<Device> choose_device(const std::string& wanted) {
  const std::vector<Device> devices = all_devices();
  if (devices.empty())
    return fail(ErrorCode::kNotFound,
                "no OpenCL device: install your GPU's OpenCL driver, or pocl-opencl-icd to use the "
                "processor (Debian, Ubuntu: apt install pocl-opencl-icd)");
  if (wanted == "auto") {
    const Device* best = nullptr;
    for (const Device& device : devices)
      if (device.info.usable && (best == nullptr || (device.info.is_gpu && !best->info.is_gpu)))
        best = &device;
    if (best != nullptr) return *best;
    return fail(ErrorCode::kNotFound, "none of {} OpenCL devices can compile and round to nearest",
                devices.size());
  }
  std::size_t place = devices.size();
  const auto [end, error] = std::from_chars(wanted.data(), wanted.data() + wanted.size(), place);
  if (error != std::errc{} || end != wanted.data() + wanted.size()) {
    place = static_cast<std::size_t>(
        std::find_if(devices.begin(), devices.end(),
                     [&](const Device& device) {
                       return device.info.name.find(wanted) != std::string::npos ||
                              device.info.platform.find(wanted) != std::string::npos;
                     }) -
        devices.begin());
  }
  if (place >= devices.size()) {
    std::string names;
    for (const Device& device : devices) names += (names.empty() ? "" : "; ") + device.info.name;
    return fail(ErrorCode::kNotFound, "no OpenCL device '{}'; from 0 on there are: {}", wanted,
                names);
  }
  if (!devices[place].info.usable)
    return fail(ErrorCode::kFailed, "{} cannot compile kernels or does not round to nearest",
                devices[place].info.name);
  return devices[place];
}

Result<Session> Session::open(const Device& device, std::string_view source) {
  Session session;
  session.name = fmt::format("{} ({})", device.info.name, device.info.platform);
  session.device = device.id;
  cl_int code = CL_SUCCESS;
  const cl_context_properties properties[] = {
      CL_CONTEXT_PLATFORM, reinterpret_cast<cl_context_properties>(device.platform), 0};
  session.context.reset(clCreateContext(properties, 1, &device.id, nullptr, nullptr, &code));
  if (!session.context) return cl_failed("be opened", code);
  session.queue.reset(clCreateCommandQueue(session.context.get(), device.id, 0, &code));
  if (!session.queue) return cl_failed("be opened", code);
  const char* text = source.data();
  const std::size_t size = source.size();
  session.program.reset(clCreateProgramWithSource(session.context.get(), 1, &text, &size, &code));
  if (!session.program) return cl_failed("take the kernel's source", code);
  // No option that trades exactness for speed; the source does the rest.
  code = clBuildProgram(session.program.get(), 1, &device.id, "-cl-std=CL1.2", nullptr, nullptr);
  if (code != CL_SUCCESS) {
    std::string log(16'384, '\0');
    clGetProgramBuildInfo(session.program.get(), device.id, CL_PROGRAM_BUILD_LOG, log.size() - 1,
                          log.data(), nullptr);
    return fail(ErrorCode::kFailed, "{} cannot compile the kernel (error {}): {}", session.name,
                code, log.c_str());
  }
  return session;
}

Result<Owned<cl_kernel>> Session::kernel(const char* function) const {
  cl_int code = CL_SUCCESS;
  Owned<cl_kernel> kernel(clCreateKernel(program.get(), function, &code));
  if (!kernel) return cl_failed("make the kernel", code);
  return kernel;
}

Result<Owned<cl_mem>> Session::buffer(cl_mem_flags flags, const void* bytes,
                                      std::size_t size) const {
  cl_int code = CL_SUCCESS;
  Owned<cl_mem> buffer(clCreateBuffer(context.get(), flags, size, nullptr, &code));
  if (!buffer) return cl_failed("hold so much memory", code);
  code =
      clEnqueueWriteBuffer(queue.get(), buffer.get(), CL_TRUE, 0, size, bytes, 0, nullptr, nullptr);
  if (code != CL_SUCCESS) return cl_failed("hold so much memory", code);
  return buffer;
}

Status Session::set(cl_kernel kernel, cl_uint place, cl_uint value) {
  const cl_int code = clSetKernelArg(kernel, place, sizeof value, &value);
  if (code != CL_SUCCESS) return cl_failed("take the kernel's arguments", code);
  return {};
}

Status Session::set(cl_kernel kernel, cl_uint place, const Owned<cl_mem>& buffer) {
  const cl_mem handle = buffer.get();
  constexpr std::size_t kBytes = sizeof(cl_mem);  // NOLINT(bugprone-sizeof-expression): a handle
  const cl_int code = clSetKernelArg(kernel, place, kBytes, &handle);
  if (code != CL_SUCCESS) return cl_failed("take the kernel's arguments", code);
  return {};
}

Status Session::launch(cl_kernel kernel, std::size_t items) const {
  std::size_t group_max = 0;
  cl_int code = clGetKernelWorkGroupInfo(kernel, device, CL_KERNEL_WORK_GROUP_SIZE,
                                         sizeof group_max, &group_max, nullptr);
  if (code != CL_SUCCESS || group_max == 0) return cl_failed("size the kernel", code);
  const std::size_t group = std::min(kGroupItems, group_max);
  const std::size_t global = (items + group - 1) / group * group;
  code =
      clEnqueueNDRangeKernel(queue.get(), kernel, 1, nullptr, &global, &group, 0, nullptr, nullptr);
  if (code != CL_SUCCESS) return cl_failed("run the kernel", code);
  return {};
}

Status Session::finish() const {
  const cl_int code = clFinish(queue.get());
  if (code != CL_SUCCESS) return cl_failed("run the kernel", code);
  return {};
}

Status Session::read(const Owned<cl_mem>& buffer, void* into, std::size_t size) const {
  const cl_int code =
      clEnqueueReadBuffer(queue.get(), buffer.get(), CL_TRUE, 0, size, into, 0, nullptr, nullptr);
  if (code != CL_SUCCESS) return cl_failed("hand back what it computed", code);
  return {};
}

void prepare_pocl() {
  setenv("PATH", "/usr/local/bin:/usr/bin:/bin", 0);
  if (std::getenv("POCL_CACHE_DIR") != nullptr) return;
  const auto from = [](const char* variable, const char* below) -> std::filesystem::path {
    const char* value = std::getenv(variable);
    if (value == nullptr || *value != '/') return {};
    return std::filesystem::path(value) / below;
  };
  const std::string name = fmt::format("fallow-pocl-{}", geteuid());
  for (const std::filesystem::path& base :
       {from("XDG_CACHE_HOME", "."), from("HOME", ".cache"), from("TMPDIR", "."),
        std::filesystem::path("/tmp"), std::filesystem::path(".")}) {
    if (base.empty()) continue;
    const auto folder = base / name;
    if (!make_private_folder(folder)) continue;
    setenv("POCL_CACHE_DIR", std::filesystem::absolute(folder).c_str(), 0);
    return;
  }
}

}  // namespace fallow::opencl
