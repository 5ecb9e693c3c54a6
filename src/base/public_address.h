// Which addresses are the public internet's, and which somebody's own: one list for all that keeps
// strangers from a provider's neighbours, and from the server's own.
//
// Pure functions and values; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace fallow {

// Everything of IPv4 that is not the public internet. Private (RFC 1918), shared (6598), loopback,
// link-local with the clouds' metadata, protocol assignments, documentation, trials, relays,
// multicast, reserved, broadcast.
inline constexpr std::array<std::string_view, 15> kNotPublic = {
    "0.0.0.0/8",     "10.0.0.0/8",      "100.64.0.0/10",  "127.0.0.0/8",    "169.254.0.0/16",
    "172.16.0.0/12", "192.0.0.0/24",    "192.0.2.0/24",   "192.88.99.0/24", "192.168.0.0/16",
    "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4",    "240.0.0.0/4"};

struct Ipv4Range {
  std::uint32_t first = 0;
  std::uint32_t bits = 32;
  bool holds(std::uint32_t address) const {
    return bits == 0 || ((address ^ first) >> (32 - bits)) == 0;
  }
};
inline constexpr Ipv4Range kLoopback{127U << 24U, 8};

// "192.0.2.1", as a number whose highest byte is the first.
std::optional<std::uint32_t> parse_ipv4(std::string_view address);
// "192.0.2.0/24", or an address.
std::optional<Ipv4Range> parse_ipv4_range(std::string_view text);

// Is the address, as getaddrinfo() writes it, one that anybody on the internet can have? Of IPv6
// only global unicast, and of what stands for an address of IPv4 what that is. False for what is no
// address.
bool is_public_address(std::string_view address);

}  // namespace fallow
