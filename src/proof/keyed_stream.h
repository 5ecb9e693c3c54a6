// Words that follow from a key: what matrices and memory are filled with, here and on the device
// (device.cl has the same arithmetic). Good noise, no cipher: keys come from digests of secrets,
// and nobody gains by telling the words from chance.
//
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/digest.h"
#include "base/types.h"

namespace fallow::proof {

struct StreamKey {
  std::uint64_t a = 0;
  std::uint64_t b = 0;
};

// The finisher of SplitMix64 (Steele, Lea, Flood 2014).
constexpr std::uint64_t mixed(std::uint64_t word) {
  word = (word ^ (word >> 30U)) * 0xbf58476d1ce4e5b9U;
  word = (word ^ (word >> 27U)) * 0x94d049bb133111ebU;
  return word ^ (word >> 31U);
}

inline constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15U;

constexpr std::uint64_t stream_word(const StreamKey& key, std::uint64_t index) {
  return mixed(((index + key.b) * kGolden) ^ key.a);
}

// Below `bound`, which is far below 2^64: the bias is bound / 2^64.
constexpr std::uint64_t scaled(std::uint64_t word, std::uint64_t bound) {
  return static_cast<std::uint64_t>((UnsignedWide{word} * bound) >> 64U);
}

// A seed for one purpose out of another: whoever has the one cannot tell the other.
Digest derived_seed(std::string_view purpose, const Digest& seed, std::uint64_t number = 0);
StreamKey stream_key(std::string_view purpose, const Digest& seed);

}  // namespace fallow::proof
