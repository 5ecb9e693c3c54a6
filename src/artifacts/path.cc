#include "artifacts/path.h"

#include <algorithm>
#include <cstdint>
#include <string>

namespace fallow::artifacts {
namespace {

constexpr std::size_t kPartBytesMax = 255;  // NAME_MAX of every file system in use
constexpr std::size_t kShownBytesMax = 200;
constexpr std::uint32_t kInvalidCharacter = ~std::uint32_t{0};

struct Character {
  std::uint32_t code;
  std::size_t bytes;
};

// The first character of `text`, which is not empty; kInvalidCharacter where it is no UTF-8.
Character first_character(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const std::size_t bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < bytes) return {kInvalidCharacter, 1};
  std::uint32_t code = lead & (0xFFU >> (bytes + 1));
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {kInvalidCharacter, 1};
    code = code << 6 | (byte(i) & 0x3F);
  }
  constexpr std::uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  if (code < kSmallest[bytes] || surrogate || code > 0x10FFFF) return {kInvalidCharacter, 1};
  return {code, bytes};
}

bool is_control(std::uint32_t code) { return code < 0x20 || (code >= 0x7F && code < 0xA0); }

}  // namespace

Status check_path(std::string_view path, std::size_t bytes_max, std::size_t parts_max) {
  if (path.size() > bytes_max) {
    return fail(ErrorCode::kTooLarge, "the path {} has {} bytes, more than {}", printable(path),
                path.size(), bytes_max);
  }
  for (std::string_view rest = path; !rest.empty();) {
    const Character c = first_character(rest);
    if (c.code == kInvalidCharacter) {
      return fail(ErrorCode::kInvalid, "the path {} is not valid UTF-8; rename the file",
                  printable(path));
    }
    if (is_control(c.code)) {
      return fail(ErrorCode::kInvalid, "the path {} holds a control character; rename the file",
                  printable(path));
    }
    rest.remove_prefix(c.bytes);
  }
  std::size_t parts = 0;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") {
      return fail(
          ErrorCode::kInvalid,
          "the path '{}' is not a plain relative path: it may not begin or end with '/', nor "
          "hold '//', '.' or '..'",
          printable(path));
    }
    if (part.size() > kPartBytesMax) {
      return fail(ErrorCode::kTooLarge, "the path {} has a name of more than {} bytes",
                  printable(path), kPartBytesMax);
    }
    ++parts;
    begin = end + 1;
  }
  if (parts > parts_max) {
    return fail(ErrorCode::kTooLarge, "the path {} is more than {} folders deep", printable(path),
                parts_max);
  }
  return {};
}

std::string printable(std::string_view path) {
  std::string shown;
  while (!path.empty() && shown.size() < kShownBytesMax) {
    const Character c = first_character(path);
    if (c.code == kInvalidCharacter || is_control(c.code)) {
      shown += '?';
    } else {
      shown += path.substr(0, c.bytes);
    }
    path.remove_prefix(c.bytes);
  }
  return path.empty() ? shown : shown + "...";
}

}  // namespace fallow::artifacts
