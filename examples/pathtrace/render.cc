#include "pathtrace/render.h"

#include <algorithm>
#include <cstring>

namespace fallow::pathtrace {
namespace {

// Large enough to fill a GPU, small enough that a slow one answers its driver's watchdog.
constexpr std::uint64_t kLaunchPathsMax = 1U << 22;
constexpr std::uint32_t kLaunchesLeast = 10;  // of a tile: what progress can show
constexpr std::uint32_t kLaunchSamplesMax = 256;
constexpr std::uint32_t kCheckPixels = 96;
constexpr std::uint32_t kCheckSamples = 2;

Status check_task(std::uint32_t task, std::uint32_t tasks, const Frame& frame) {
  if (tasks < 1 || tasks > frame.height)
    return fail(ErrorCode::kInvalid, "{} tasks: a frame of {} rows is cut into 1 to {}", tasks,
                frame.height, frame.height);
  if (task >= tasks)
    return fail(ErrorCode::kInvalid, "task {} of {}: they count from 0 to {}", task, tasks,
                tasks - 1);
  return {};
}

}  // namespace

Result<Tile> render_tile(Tracer& tracer, const Scene& scene, const Frame& frame, std::uint32_t task,
                         std::uint32_t tasks, const Progress& progress) {
  FALLOW_TRY(check_task(task, tasks, frame));
  const Rows rows = rows_of(task, tasks, frame.height);
  const std::uint32_t first_pixel = rows.first * frame.width;
  const std::uint32_t pixel_count = rows.count * frame.width;
  const std::uint64_t total = std::uint64_t{pixel_count} * frame.samples;
  const std::uint32_t slice = std::min(frame.samples, kLaunchSamplesMax);
  const std::uint32_t band = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(
      kLaunchPathsMax / slice, 1, (pixel_count + kLaunchesLeast - 1) / kLaunchesLeast));
  FALLOW_TRY(tracer.begin(first_pixel, pixel_count));
  std::uint64_t done = 0;
  for (std::uint32_t pixel = 0; pixel < pixel_count; pixel += band) {
    const std::uint32_t count = std::min(band, pixel_count - pixel);
    for (std::uint32_t sample = 0; sample < frame.samples; sample += slice) {
      const std::uint32_t samples = std::min(slice, frame.samples - sample);
      FALLOW_TRY(tracer.run({first_pixel + pixel, count, sample, samples}));
      done += std::uint64_t{count} * samples;
      progress(done, total);
    }
  }
  Tile tile;
  tile.header = {frame, rows.first, rows.count, task, tasks, scene.digest()};
  FALLOW_ASSIGN(tile.sums, tracer.sums());
  return tile;
}

Status check_tracer(Tracer& tracer, Tracer& reference, const Frame& frame, std::uint32_t task,
                    std::uint32_t tasks) {
  FALLOW_TRY(check_task(task, tasks, frame));
  const Rows rows = rows_of(task, tasks, frame.height);
  const std::uint32_t pixel_count = rows.count * frame.width;
  const std::uint32_t count = std::min(kCheckPixels, pixel_count);
  const Launch launch{rows.first * frame.width + (pixel_count - count) / 2, count, 0,
                      std::min(kCheckSamples, frame.samples)};
  std::vector<float> answers[2];
  for (int i = 0; i < 2; ++i) {
    Tracer& each = i == 0 ? tracer : reference;
    FALLOW_TRY(each.begin(launch.first_pixel, launch.pixel_count));
    FALLOW_TRY(each.run(launch));
    FALLOW_ASSIGN(answers[i], each.sums());
  }
  if (std::memcmp(answers[0].data(), answers[1].data(), answers[0].size() * sizeof(float)) != 0)
    return fail(
        ErrorCode::kFailed,
        "{} does not compute exactly as the OpenCL standard asks, so its tile would not fit "
        "the others; choose another --device, or --device host",
        tracer.name());
  return {};
}

}  // namespace fallow::pathtrace
