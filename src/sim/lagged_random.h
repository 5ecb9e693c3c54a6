// The additive lagged Fibonacci generator of D. P. Mitchell and J. A. Reeds, seeded as Go's
// math/rand seeds it: x[n] = x[n-607] + x[n-273] mod 2^64.
//
// Runs published with a Go program can be repeated draw by draw, so that our figures are compared
// with theirs over the very same arrivals, and not only in the mean over other ones. Not for
// secrets. A value; one thread at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace fallow::sim {

class LaggedRandom {
 public:
  explicit LaggedRandom(std::int64_t seed);

  // 63 random bits.
  std::uint64_t next_u63();
  // Uniform in [0, bound), 0 < bound < 2^31, by rejection from 31 bits: Go's Intn.
  std::uint32_t below(std::uint32_t bound);
  // Uniform in [0, bound), 0 < bound < 2^31, by a 32-bit product: what Go's Shuffle draws with.
  std::uint32_t below_by_product(std::uint32_t bound);

  // Fisher-Yates from the last place down: Go's Shuffle.
  template <class T>
  void shuffle(std::vector<T>& values) {
    for (std::size_t i = values.size(); i-- > 1;) {
      std::swap(values[i], values[below_by_product(static_cast<std::uint32_t>(i + 1))]);
    }
  }
  // A random order of 0..count-1: Go's Perm.
  std::vector<std::uint32_t> permutation(std::uint32_t count);

 private:
  static constexpr std::size_t kLength = 607;
  static constexpr std::size_t kTap = 273;
  using State = std::array<std::uint64_t, kLength>;
  static State warmed_up();

  State state_;
  std::size_t tap_ = 0;
  std::size_t feed_ = kLength - kTap;
};

}  // namespace fallow::sim
