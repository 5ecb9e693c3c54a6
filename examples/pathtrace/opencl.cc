#include "pathtrace/opencl.h"

#include "base/check.h"
#include "pathtrace/kernel_source.h"

namespace fallow::pathtrace {
namespace {

class OpenClTracer : public Tracer {
 public:
  static Result<std::unique_ptr<Tracer>> create(const opencl::Device& device, const Scene& scene) {
    std::unique_ptr<OpenClTracer> tracer(new OpenClTracer);
    FALLOW_ASSIGN(tracer->session_,
                  opencl::Session::open(device, {kKernelSource, kKernelSourceBytes}));
    FALLOW_ASSIGN(tracer->kernel_, tracer->session_.kernel("pathtrace"));
    FALLOW_TRY(tracer->upload(scene));
    return std::unique_ptr<Tracer>(std::move(tracer));
  }

  std::string name() const override { return session_.name; }

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
      FALLOW_TRY(opencl::Session::set(kernel_.get(), 7 + i, values[i]));
    FALLOW_TRY(session_.launch(kernel_.get(), launch.pixel_count));
    return session_.finish();
  }

  Result<std::vector<float>> sums() override {
    std::vector<float> sums(sums_count_);
    FALLOW_TRY(session_.read(buffers_[6], sums.data(), sums_count_ * sizeof(float)));
    return sums;
  }

 private:
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
    auto& buffer = buffers_[argument];
    FALLOW_ASSIGN(buffer, session_.buffer(flags, bytes, size));
    return opencl::Session::set(kernel_.get(), argument, buffer);
  }

  opencl::Session session_;
  opencl::Owned<cl_kernel> kernel_;
  opencl::Owned<cl_mem> buffers_[7];  // the kernel's first arguments; the last is the sums
  std::uint32_t first_pixel_ = 0;
  std::size_t sums_count_ = 0;
};

}  // namespace

Result<std::unique_ptr<Tracer>> opencl_tracer(const std::string& wanted, const Scene& scene) {
  const auto device = opencl::choose_device(wanted);
  if (!device) {
    return fail(device.error().code,
                "{}; `pathtrace devices` lists them, and --device host needs none",
                device.error().message);
  }
  return OpenClTracer::create(*device, scene);
}

}  // namespace fallow::pathtrace
