#include "pathtrace/opencl.h"

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <type_traits>

#include "base/check.h"
#include "pathtrace/kernel_source.h"

namespace fallow::pathtrace {
namespace {

constexpr cl_uint kPlatformsMax = 16;
constexpr cl_uint kDevicesMax = 64;  // of one platform
// Fixed, because PoCL compiles anew for every size.
constexpr std::size_t kGroupSize = 32;

struct Release {
  void operator()(cl_context x) const { clReleaseContext(x); }
  void operator()(cl_command_queue x) const { clReleaseCommandQueue(x); }
  void operator()(cl_program x) const { clReleaseProgram(x); }
  void operator()(cl_kernel x) const { clReleaseKernel(x); }
  void operator()(cl_mem x) const { clReleaseMemObject(x); }
};
template <class Handle>
using Owned = std::unique_ptr<std::remove_pointer_t<Handle>, Release>;

tl::unexpected<Error> cl_failed(const char* what, cl_int code) {
  return fail(ErrorCode::kFailed, "the OpenCL device cannot {} (error {}); try another --device",
              what, code);
}

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

struct Device {
  cl_platform_id platform = nullptr;
  cl_device_id id = nullptr;
  DeviceInfo info;
};

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
                "processor (Debian, Ubuntu: apt install pocl-opencl-icd), or give --device host");
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
  if (place >= devices.size())
    return fail(ErrorCode::kNotFound, "no OpenCL device '{}'; see 'pathtrace devices'", wanted);
  if (!devices[place].info.usable)
    return fail(ErrorCode::kFailed, "{} cannot compile kernels or does not round to nearest",
                devices[place].info.name);
  return devices[place];
}

class OpenClTracer : public Tracer {
 public:
  static Result<std::unique_ptr<Tracer>> create(const Device& device, const Scene& scene) {
    std::unique_ptr<OpenClTracer> tracer(new OpenClTracer);
    tracer->name_ = fmt::format("{} ({})", device.info.name, device.info.platform);
    FALLOW_TRY(tracer->open(device));
    FALLOW_TRY(tracer->compile(device.id));
    FALLOW_TRY(tracer->upload(scene));
    return std::unique_ptr<Tracer>(std::move(tracer));
  }

  std::string name() const override { return name_; }

  Status begin(std::uint32_t first_pixel, std::uint32_t pixel_count) override {
    first_pixel_ = first_pixel;
    sums_count_ = std::size_t{pixel_count} * 3;
    std::vector<float> zeros(sums_count_, 0.0F);
    return store(6, CL_MEM_READ_WRITE, zeros.data(), sums_count_ * sizeof(float));
  }

  Status run(const Launch& launch) override {
    const cl_uint values[] = {launch.first_pixel - first_pixel_, launch.first_pixel,
                              launch.pixel_count, launch.first_sample, launch.sample_count};
    for (cl_uint i = 0; i < 5; ++i)
      if (const cl_int code = clSetKernelArg(kernel_.get(), 7 + i, sizeof(cl_uint), &values[i]))
        return cl_failed("take the kernel's arguments", code);
    const std::size_t global = (launch.pixel_count + group_size_ - 1) / group_size_ * group_size_;
    cl_int code = clEnqueueNDRangeKernel(queue_.get(), kernel_.get(), 1, nullptr, &global,
                                         &group_size_, 0, nullptr, nullptr);
    if (code == CL_SUCCESS) code = clFinish(queue_.get());
    if (code != CL_SUCCESS) return cl_failed("run the kernel", code);
    return {};
  }

  Result<std::vector<float>> sums() override {
    std::vector<float> sums(sums_count_);
    const cl_int code =
        clEnqueueReadBuffer(queue_.get(), buffers_[6].get(), CL_TRUE, 0,
                            sums_count_ * sizeof(float), sums.data(), 0, nullptr, nullptr);
    if (code != CL_SUCCESS) return cl_failed("hand back its sums", code);
    return sums;
  }

 private:
  Status open(const Device& device) {
    cl_int code = CL_SUCCESS;
    const cl_context_properties properties[] = {
        CL_CONTEXT_PLATFORM, reinterpret_cast<cl_context_properties>(device.platform), 0};
    context_.reset(clCreateContext(properties, 1, &device.id, nullptr, nullptr, &code));
    if (!context_) return cl_failed("be opened", code);
    queue_.reset(clCreateCommandQueue(context_.get(), device.id, 0, &code));
    if (!queue_) return cl_failed("be opened", code);
    return {};
  }

  Status compile(cl_device_id device) {
    cl_int code = CL_SUCCESS;
    const char* text = kKernelSource;
    const std::size_t size = kKernelSourceBytes;
    program_.reset(clCreateProgramWithSource(context_.get(), 1, &text, &size, &code));
    if (!program_) return cl_failed("take the kernel's source", code);
    // No option that trades exactness for speed; the source does the rest.
    code = clBuildProgram(program_.get(), 1, &device, "-cl-std=CL1.2", nullptr, nullptr);
    if (code != CL_SUCCESS) {
      std::string log(16'384, '\0');
      clGetProgramBuildInfo(program_.get(), device, CL_PROGRAM_BUILD_LOG, log.size() - 1,
                            log.data(), nullptr);
      return fail(ErrorCode::kFailed, "{} cannot compile the kernel (error {}): {}", name_, code,
                  log.c_str());
    }
    kernel_.reset(clCreateKernel(program_.get(), "pathtrace", &code));
    if (!kernel_) return cl_failed("make the kernel", code);
    std::size_t group_max = 0;
    code = clGetKernelWorkGroupInfo(kernel_.get(), device, CL_KERNEL_WORK_GROUP_SIZE,
                                    sizeof group_max, &group_max, nullptr);
    if (code != CL_SUCCESS || group_max == 0) return cl_failed("size the kernel", code);
    group_size_ = std::min(kGroupSize, group_max);
    return {};
  }

  template <class T>
  Status upload_all(cl_uint argument, const std::vector<T>& values) {
    return store(argument, CL_MEM_READ_ONLY, values.data(), values.size() * sizeof(T));
  }

  Status upload(const Scene& scene) {
    FALLOW_TRY(upload_all(0, scene.nodes));
    FALLOW_TRY(upload_all(1, scene.triangles));
    FALLOW_TRY(upload_all(2, scene.normals));
    FALLOW_TRY(upload_all(3, scene.materials));
    FALLOW_TRY(upload_all(4, scene.lights));
    return store(5, CL_MEM_READ_ONLY, &scene.view, sizeof scene.view);
  }

  Status store(cl_uint argument, cl_mem_flags flags, const void* bytes, std::size_t size) {
    cl_int code = CL_SUCCESS;
    auto& buffer = buffers_[argument];
    buffer.reset(clCreateBuffer(context_.get(), flags, size, nullptr, &code));
    if (!buffer) return cl_failed("hold the scene", code);
    code = clEnqueueWriteBuffer(queue_.get(), buffer.get(), CL_TRUE, 0, size, bytes, 0, nullptr,
                                nullptr);
    if (code != CL_SUCCESS) return cl_failed("hold the scene", code);
    const cl_mem handle = buffer.get();
    code = clSetKernelArg(kernel_.get(), argument, sizeof handle, &handle);
    if (code != CL_SUCCESS) return cl_failed("take the kernel's arguments", code);
    return {};
  }

  std::string name_;
  Owned<cl_context> context_;
  Owned<cl_command_queue> queue_;
  Owned<cl_program> program_;
  Owned<cl_kernel> kernel_;
  Owned<cl_mem> buffers_[7];  // the kernel's first arguments; the last is the sums
  std::size_t group_size_ = 1;
  std::uint32_t first_pixel_ = 0;
  std::size_t sums_count_ = 0;
};

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

std::vector<DeviceInfo> opencl_devices() {
  std::vector<DeviceInfo> infos;
  for (Device& device : all_devices()) infos.push_back(std::move(device.info));
  return infos;
}

Result<std::unique_ptr<Tracer>> opencl_tracer(const std::string& wanted, const Scene& scene) {
  FALLOW_ASSIGN(const Device device, choose_device(wanted));
  return OpenClTracer::create(device, scene);
}

void prepare_pocl() {
  setenv("PATH", "/usr/local/bin:/usr/bin:/bin", 0);
  if (std::getenv("POCL_CACHE_DIR") != nullptr) return;
  const auto from = [](const char* variable, const char* below) -> std::filesystem::path {
    const char* value = std::getenv(variable);
    if (value == nullptr || *value != '/') return {};
    return std::filesystem::path(value) / below;
  };
  const std::string name = fmt::format("fallow-pathtrace-{}", geteuid());
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

}  // namespace fallow::pathtrace
