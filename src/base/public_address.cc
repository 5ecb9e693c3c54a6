#include "base/public_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <string>

#include "base/number.h"

namespace fallow {
namespace {

bool is_public_four(std::uint32_t address) {
  return std::none_of(kNotPublic.begin(), kNotPublic.end(), [address](std::string_view range) {
    return parse_ipv4_range(range)->holds(address);
  });
}

bool is_public_six(const std::array<std::uint8_t, 16>& bytes) {
  const auto four = [&bytes](std::size_t at) {
    return (std::uint32_t{bytes[at]} << 24U) | (std::uint32_t{bytes[at + 1]} << 16U) |
           (std::uint32_t{bytes[at + 2]} << 8U) | bytes[at + 3];
  };
  constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  constexpr std::array<std::uint8_t, 12> kTranslated = {0, 0x64, 0xFF, 0x9B, 0, 0,
                                                        0, 0,    0,    0,    0, 0};
  if (std::equal(kMapped.begin(), kMapped.end(), bytes.begin()) ||
      std::equal(kTranslated.begin(), kTranslated.end(), bytes.begin())) {
    return is_public_four(four(12));
  }
  if (bytes[0] == 0x20 && bytes[1] == 0x02) return is_public_four(four(2));  // 6to4
  return (bytes[0] & 0xE0U) == 0x20;                                         // global unicast
}

}  // namespace

std::optional<std::uint32_t> parse_ipv4(std::string_view address) {
  in_addr parsed{};
  if (::inet_pton(AF_INET, std::string(address).c_str(), &parsed) != 1) return std::nullopt;
  return ntohl(parsed.s_addr);
}

std::optional<Ipv4Range> parse_ipv4_range(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto first = parse_ipv4(text.substr(0, slash));
  if (!first) return std::nullopt;
  Ipv4Range range{*first, 32};
  if (slash != std::string_view::npos) {
    const auto bits = parse_number<std::uint32_t>(text.substr(slash + 1));
    if (!bits || *bits > 32) return std::nullopt;
    range.bits = *bits;
  }
  return range;
}

bool is_public_address(std::string_view address) {
  if (const auto four = parse_ipv4(address)) return is_public_four(*four);
  std::array<std::uint8_t, 16> six{};
  const std::string text(address.substr(0, address.find('%')));
  return ::inet_pton(AF_INET6, text.c_str(), six.data()) == 1 && is_public_six(six);
}

}  // namespace fallow
