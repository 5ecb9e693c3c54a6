#include "pathtrace/obj_text.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <system_error>

namespace fallow::pathtrace {
namespace {

constexpr std::string_view kBlanks = " \t\r\v\f";

// Takes the next word off the line; empty at its end.
std::string_view next_word(std::string_view& line) {
  const auto begin = line.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) {
    line = {};
    return {};
  }
  line.remove_prefix(begin);
  const auto end = std::min(line.find_first_of(kBlanks), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(end);
  return word;
}

// A long word in an error message helps nobody.
std::string_view shown(std::string_view word) { return word.substr(0, 40); }

Result<double> parse_number(std::string_view word, std::size_t line_number) {
  std::string_view digits = word;
  if (digits.starts_with('+')) digits.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || end != digits.data() + digits.size() ||
      error == std::errc::invalid_argument)
    return fail(ErrorCode::kInvalid, "line {}: '{}' is not a number", line_number, shown(word));
  if (error == std::errc::result_out_of_range) {
    // Too small is as good as 0, too large is not.
    if (digits.find("e-") != std::string_view::npos || digits.find("E-") != std::string_view::npos)
      return 0.0;
    value = std::numeric_limits<double>::infinity();
  }
  if (!std::isfinite(value) || std::abs(value) > kCoordinateMax)
    return fail(ErrorCode::kInvalid, "line {}: {} is beyond +-{:g}; scale the model down",
                line_number, shown(word), kCoordinateMax);
  return value;
}

Result<Point> parse_point(std::string_view& line, std::size_t line_number) {
  Point point{};
  for (double& part : point) {
    const std::string_view word = next_word(line);
    if (word.empty())
      return fail(ErrorCode::kInvalid, "line {}: three numbers are needed", line_number);
    FALLOW_ASSIGN(part, parse_number(word, line_number));
  }
  return point;
}

Result<bool> parse_switch(std::string_view word, std::size_t line_number) {
  if (word == "on") return true;
  if (word == "off") return false;
  return fail(ErrorCode::kInvalid, "line {}: 'on' or 'off' is needed, not '{}'", line_number,
              shown(word));
}

Status parse_wish(std::string_view line, std::size_t line_number, Wishes& wishes) {
  const std::string_view what = next_word(line);
  if (what == "camera") {
    Wishes::Camera camera;
    FALLOW_ASSIGN(camera.eye, parse_point(line, line_number));
    FALLOW_ASSIGN(camera.target, parse_point(line, line_number));
    if (camera.eye == camera.target)
      return fail(ErrorCode::kInvalid, "line {}: the camera looks at itself", line_number);
    wishes.camera = camera;
  } else if (what == "sun") {
    FALLOW_ASSIGN(wishes.sun, parse_point(line, line_number));
    if (*wishes.sun == Point{})
      return fail(ErrorCode::kInvalid, "line {}: the sun's direction is 0 0 0", line_number);
  } else if (what == "lens" || what == "aperture") {
    FALLOW_ASSIGN(const double value, parse_number(next_word(line), line_number));
    if (what == "lens" && (value < 4 || value > 2000))
      return fail(ErrorCode::kInvalid, "line {}: a lens is 4 to 2000 mm", line_number);
    if (value < 0) return fail(ErrorCode::kInvalid, "line {}: {} < 0", line_number, value);
    (what == "lens" ? wishes.lens_mm : wishes.aperture) = value;
  } else if (what == "sky" || what == "ground") {
    FALLOW_ASSIGN(const bool value, parse_switch(next_word(line), line_number));
    (what == "sky" ? wishes.sky : wishes.ground) = value;
  } else {
    return fail(ErrorCode::kInvalid,
                "line {}: '#fallow {}' is unknown; there are camera, lens, aperture, sun, sky and "
                "ground",
                line_number, shown(what));
  }
  if (!next_word(line).empty())
    return fail(ErrorCode::kInvalid, "line {}: words are left over after '#fallow {}'", line_number,
                what);
  return {};
}

// One corner, "7", "7/1", "7//3" or "7/1/3": every index a 32-bit integer other than 0. Answers
// the first, which names the vertex.
Result<std::int64_t> parse_corner(std::string_view corner, std::size_t line_number) {
  std::int64_t vertex = 0;
  for (int part = 0; part < 3; ++part) {
    const auto slash = corner.find('/');
    const std::string_view digits = corner.substr(0, slash);
    if (!digits.empty() || part == 0) {
      std::int32_t index = 0;
      const auto [end, error] =
          std::from_chars(digits.data(), digits.data() + digits.size(), index);
      if (error != std::errc{} || end != digits.data() + digits.size() || index == 0)
        return fail(ErrorCode::kInvalid, "line {}: '{}' is not an index (1, 2, ... or -1, -2, ...)",
                    line_number, shown(digits));
      if (part == 0) vertex = index;
    }
    if (slash == std::string_view::npos) return vertex;
    corner.remove_prefix(slash + 1);
  }
  return fail(ErrorCode::kInvalid, "line {}: a corner has at most vertex/texture/normal",
              line_number);
}

struct Checker {
  ObjText out;
  std::int64_t index_max = 0;  // highest vertex that a face has named so far, and where
  std::size_t index_max_line = 0;

  Status face(std::string_view line, std::size_t line_number) {
    std::size_t corners = 0;
    const auto known = static_cast<std::int64_t>(out.vertex_count);
    for (auto word = next_word(line); !word.empty(); word = next_word(line), ++corners) {
      if (word.starts_with('#')) break;
      FALLOW_ASSIGN(const std::int64_t vertex, parse_corner(word, line_number));
      if (vertex < -known)
        return fail(ErrorCode::kInvalid, "line {}: {} reaches before the first vertex", line_number,
                    vertex);
      if (vertex > index_max) {
        index_max = vertex;
        index_max_line = line_number;
      }
    }
    if (corners < 3)
      return fail(ErrorCode::kInvalid, "line {}: a face of {} corners; 3 are the least",
                  line_number, corners);
    if (corners > kCornersMax)
      return fail(ErrorCode::kTooLarge, "line {}: a face of {} corners; {} are the most",
                  line_number, corners, kCornersMax);
    out.triangle_count += corners - 2;
    if (out.triangle_count > kTrianglesMax)
      return fail(ErrorCode::kTooLarge, "more than {} triangles; simplify the model",
                  kTrianglesMax);
    return {};
  }

  Status line(std::string_view line, std::size_t line_number) {
    const std::string_view whole = line;
    const std::string_view key = next_word(line);
    if (key == "#fallow") return parse_wish(line, line_number, out.wishes);
    if (key == "v" || key == "vn") {
      FALLOW_TRY(parse_point(line, line_number));
      if (key == "v" && ++out.vertex_count > kVerticesMax)
        return fail(ErrorCode::kTooLarge, "more than {} vertices; simplify the model",
                    kVerticesMax);
      // Without colours or weights that may follow the three numbers.
      out.text += whole.substr(0, whole.size() - line.size());
    } else if (key == "f") {
      FALLOW_TRY(face(line, line_number));
      out.text += whole.substr(0, whole.find('#'));
    } else if (key == "vt" || key == "mtllib" || key == "usemtl" || key == "g" || key == "o") {
      out.text += whole;
    } else {
      return {};  // lines, points, curves, smoothing groups: nothing that is rendered
    }
    out.text += '\n';
    return {};
  }
};

}  // namespace

Result<ObjText> check_obj(std::string_view obj) {
  if (obj.size() > kObjBytesMax)
    return fail(ErrorCode::kTooLarge, "{} bytes; an OBJ may have up to {}", obj.size(),
                kObjBytesMax);
  Checker checker;
  std::size_t line_number = 0;
  while (!obj.empty()) {
    const auto end = std::min(obj.find('\n'), obj.size());
    FALLOW_TRY(checker.line(obj.substr(0, end), ++line_number));
    obj.remove_prefix(std::min(end + 1, obj.size()));
  }
  if (checker.out.triangle_count == 0)
    return fail(ErrorCode::kInvalid, "no faces ('f' lines): is this a Wavefront OBJ?");
  if (checker.index_max > static_cast<std::int64_t>(checker.out.vertex_count))
    return fail(ErrorCode::kInvalid, "line {}: a face names vertex {}, but there are only {}",
                checker.index_max_line, checker.index_max, checker.out.vertex_count);
  return std::move(checker.out);
}

}  // namespace fallow::pathtrace
