// Arithmetic modulo the prime p = 2^61 - 1, in which matrix products are checked.
//
// Pure functions; any thread. Elements are less than p.
#pragma once

#include <cstdint>

#include "base/types.h"

namespace fallow::proof {

inline constexpr std::uint64_t kPrime = (std::uint64_t{1} << 61) - 1;

// Of any number: 2^61 = 1, so the upper bits are added to the lower.
constexpr std::uint64_t reduce(UnsignedWide value) {
  std::uint64_t folded = static_cast<std::uint64_t>(value & kPrime) +
                         static_cast<std::uint64_t>((value >> 61U) & kPrime) +
                         static_cast<std::uint64_t>(value >> 122U);
  folded = (folded & kPrime) + (folded >> 61U);
  return folded >= kPrime ? folded - kPrime : folded;
}

constexpr std::uint64_t add(std::uint64_t a, std::uint64_t b) {
  return reduce(UnsignedWide{a} + b);
}
constexpr std::uint64_t subtract(std::uint64_t a, std::uint64_t b) {
  return reduce(UnsignedWide{a} + kPrime - b);
}
constexpr std::uint64_t multiply(std::uint64_t a, std::uint64_t b) {
  return reduce(UnsignedWide{a} * b);
}

}  // namespace fallow::proof
