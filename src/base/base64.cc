#include "base/base64.h"

#include <array>
#include <cstdint>

namespace fallow {
namespace {

constexpr std::string_view kLetters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::uint8_t kForeign = 0xFF;

constexpr std::array<std::uint8_t, 256> make_values() {
  std::array<std::uint8_t, 256> values{};
  for (auto& value : values) value = kForeign;
  for (std::size_t i = 0; i < kLetters.size(); ++i) {
    values[static_cast<std::uint8_t>(kLetters[i])] = static_cast<std::uint8_t>(i);
  }
  return values;
}
constexpr std::array<std::uint8_t, 256> kValues = make_values();

}  // namespace

std::string to_base64url(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() * 4 + 2) / 3);
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : bytes) {
    bits = (bits << 8) | static_cast<std::uint8_t>(c);
    count += 8;
    while (count >= 6) {
      count -= 6;
      text.push_back(kLetters[(bits >> count) & 63U]);
    }
  }
  if (count > 0) text.push_back(kLetters[(bits << (6 - count)) & 63U]);
  return text;
}

Result<std::string> from_base64url(std::string_view text) {
  if (text.size() % 4 == 1) {
    return fail(ErrorCode::kInvalid, "base64url of {} letters is cut short", text.size());
  }
  std::string bytes;
  bytes.reserve(text.size() * 3 / 4);
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::uint8_t value = kValues[static_cast<std::uint8_t>(text[i])];
    if (value == kForeign) {
      return fail(ErrorCode::kInvalid, "letter {} is not one of base64url", i + 1);
    }
    bits = (bits << 6) | value;
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes.push_back(static_cast<char>((bits >> count) & 0xFFU));
    }
  }
  if ((bits & ((1U << count) - 1U)) != 0) {
    return fail(ErrorCode::kInvalid, "the last letter of the base64url text is altered");
  }
  return bytes;
}

}  // namespace fallow
