// The kernel's C++ twin: kernel.cl itself, compiled by the host's compiler.
#include "base/check.h"
#include "pathtrace/kernel_shim.h"
#include "pathtrace/tracer.h"

namespace fallow::pathtrace {
namespace {
namespace twin {
#include "pathtrace/kernel.cl"
}  // namespace twin

class HostTracer : public Tracer {
 public:
  explicit HostTracer(const Scene& scene) : scene_(scene) {}

  std::string name() const override { return "host processor, without OpenCL"; }

  Status begin(std::uint32_t first_pixel, std::uint32_t pixel_count) override {
    first_pixel_ = first_pixel;
    sums_.assign(std::size_t{pixel_count} * 3, 0.0F);
    return {};
  }

  Status run(const Launch& launch) override {
    const std::uint32_t offset = launch.first_pixel - first_pixel_;
    FALLOW_CHECK((std::size_t{offset} + launch.pixel_count) * 3 <= sums_.size(),
                 "launch of {} pixels at {} is outside of the tile", launch.pixel_count, offset);
    for (std::uint32_t item = 0; item < launch.pixel_count; ++item) {
      current_item = item;
      twin::pathtrace(scene_.nodes.data(), scene_.triangles.data(), scene_.normals.data(),
                      scene_.materials.data(), scene_.lights.data(), &scene_.view, sums_.data(),
                      offset, launch.first_pixel, launch.pixel_count, launch.first_sample,
                      launch.sample_count);
    }
    return {};
  }

  Result<std::vector<float>> sums() override { return sums_; }

 private:
  const Scene& scene_;
  std::uint32_t first_pixel_ = 0;
  std::vector<float> sums_;
};

}  // namespace

std::unique_ptr<Tracer> host_tracer(const Scene& scene) {
  return std::make_unique<HostTracer>(scene);
}

}  // namespace fallow::pathtrace
