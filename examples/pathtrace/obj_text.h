// The first look at a Wavefront OBJ: is it sound, and what does it ask of this renderer?
//
// tinyobjloader forgives much (a vertex "nan" reads as 0, an index too large as something else),
// so every line that reaches it is checked here first, and errors name the line. Pure; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace fallow::pathtrace {

inline constexpr std::size_t kObjBytesMax = std::size_t{512} << 20;
inline constexpr std::size_t kVerticesMax = 8'000'000;
inline constexpr std::size_t kTrianglesMax = 4'000'000;
inline constexpr std::size_t kCornersMax = 1'024;  // of one face
inline constexpr double kCoordinateMax = 1e9;

using Point = std::array<double, 3>;

// Wishes in comments, which other programs skip: "#fallow camera 0 1 5  0 1 0" and so on (see
// README.md). Places and sizes are in the OBJ's units.
struct Wishes {
  struct Camera {
    Point eye{};
    Point target{};  // in focus
  };
  std::optional<Camera> camera;
  std::optional<double> lens_mm;   // focal length on a sensor 36 mm wide
  std::optional<double> aperture;  // radius of the lens, 0: everything is sharp
  std::optional<bool> sky;
  std::optional<bool> ground;  // put a floor below the model
  std::optional<Point> sun;    // direction towards it
};

struct ObjText {
  // Only the lines about geometry and materials, checked.
  std::string text;
  std::size_t vertex_count = 0;
  std::size_t triangle_count = 0;  // an upper bound
  Wishes wishes;
};

// kInvalid with the line's number for: a vertex that is not three finite numbers within
// +-kCoordinateMax, a face with fewer than 3 corners or more than kCornersMax, an index that is 0,
// no integer, or names no vertex; an unknown wish. kTooLarge beyond the maxima. kInvalid when no
// face is there at all.
Result<ObjText> check_obj(std::string_view obj);

}  // namespace fallow::pathtrace
