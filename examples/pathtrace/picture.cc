#include "pathtrace/picture.h"

#include <png.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

namespace fallow::pathtrace {
namespace {

// x^(1/3) for x in [0, 1], by Newton's steps from above.
double cube_root(double x) {
  if (x < 1e-12) return 0;
  double y = 1;
  for (int step = 0; step < 40; ++step) y = (2 * y + x / (y * y)) / 3;
  return y;
}

// sRGB's transfer curve: 1.055 x^(5/12) - 0.055, and 5/12 = 1/4 * 5/3.
double srgb(double x) {
  if (x <= 0.0031308) return 12.92 * x;
  const double fourth = std::sqrt(std::sqrt(x));
  const double root = cube_root(fourth);
  return 1.055 * (fourth * root * root) - 0.055;
}

}  // namespace

std::uint8_t to_screen(double light) {
  // Narkowicz's fit of the ACES curve: bright parts keep their drawing.
  const double x = std::max(0.0, light) * 0.8;
  const double curve = (x * (2.51 * x + 0.03)) / (x * (2.43 * x + 0.59) + 0.14);
  const double shown = srgb(std::clamp(curve, 0.0, 1.0));
  return static_cast<std::uint8_t>(std::clamp(shown, 0.0, 1.0) * 255.0 + 0.5);
}

Digest Picture::digest() const {
  return Digester().update_u64(width).update_u64(height).update(rgb).finish();
}

Result<Picture> assemble(const std::vector<Tile>& tiles) {
  if (tiles.empty()) return fail(ErrorCode::kInvalid, "there are no tiles");
  const TileHeader& like = tiles.front().header;
  std::vector<const Tile*> parts(like.tasks, nullptr);
  for (const Tile& tile : tiles) {
    const TileHeader& header = tile.header;
    const Frame& frame = header.frame;
    if (header.scene != like.scene)
      return fail(ErrorCode::kInvalid, "tiles {} and {} show different scenes", like.task,
                  header.task);
    if (frame.width != like.frame.width || frame.height != like.frame.height ||
        frame.samples != like.frame.samples || frame.seed != like.frame.seed ||
        frame.frame != like.frame.frame || header.tasks != like.tasks)
      return fail(ErrorCode::kInvalid,
                  "tiles {} and {} differ in size, samples, seed, frame or number of tasks",
                  like.task, header.task);
    const Tile*& part = parts[header.task];
    if (part != nullptr && encode_tile(*part) != encode_tile(tile))
      return fail(ErrorCode::kInvalid, "there are two tiles {}, and they are not the same",
                  header.task);
    part = &tile;
  }
  Picture picture{like.frame.width, like.frame.height, {}};
  picture.rgb.reserve(std::size_t{picture.width} * picture.height * 3);
  for (std::size_t task = 0; task < parts.size(); ++task) {
    if (parts[task] == nullptr)
      return fail(ErrorCode::kInvalid, "tile {} of 0 to {} is missing", task, parts.size() - 1);
    for (const float sum : parts[task]->sums)
      picture.rgb.push_back(to_screen(double{sum} / like.frame.samples));
  }
  return picture;
}

Status write_png(const std::string& path, const Picture& picture) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = picture.width;
  image.height = picture.height;
  image.format = PNG_FORMAT_RGB;
  const std::string partial = path + ".partial";
  std::error_code error;
  if (png_image_write_to_file(&image, partial.c_str(), 0, picture.rgb.data(), 0, nullptr) == 0) {
    std::filesystem::remove(partial, error);
    return fail(ErrorCode::kFailed, "cannot write {}: {}", path, image.message);
  }
  std::filesystem::rename(partial, path, error);
  if (error) return fail(ErrorCode::kFailed, "cannot write {}: {}", path, error.message());
  return {};
}

}  // namespace fallow::pathtrace
