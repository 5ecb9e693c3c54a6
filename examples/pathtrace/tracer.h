// Whatever can run the kernel: an OpenCL device, or this processor by the kernel's C++ twin.
//
// All tracers give the same bits. Owned by the renderer; one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "pathtrace/scene.h"

namespace fallow::pathtrace {

// A piece of work, small enough that progress shows and no display driver's watchdog bites.
struct Launch {
  std::uint32_t first_pixel = 0;  // of the frame, row by row from the top left
  std::uint32_t pixel_count = 0;
  std::uint32_t first_sample = 0;
  std::uint32_t sample_count = 0;
};

class Tracer {
 public:
  virtual ~Tracer() = default;
  // For people: "NVIDIA H100 (NVIDIA CUDA)".
  virtual std::string name() const = 0;
  // Forgets what was summed; the following launches lie in [first_pixel, first_pixel + count).
  virtual Status begin(std::uint32_t first_pixel, std::uint32_t pixel_count) = 0;
  // Adds the launch's samples to the sums; done when it returns. Launches of a pixel must come in
  // ascending order of samples.
  virtual Status run(const Launch& launch) = 0;
  // The sums since begin(): red, green, blue of each pixel.
  virtual Result<std::vector<float>> sums() = 0;
};

// The C++ twin of the kernel. `scene` must outlive the tracer.
std::unique_ptr<Tracer> host_tracer(const Scene& scene);

}  // namespace fallow::pathtrace
