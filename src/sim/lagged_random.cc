#include "sim/lagged_random.h"

#include <utility>

#include "base/check.h"

namespace fallow::sim {
namespace {

constexpr std::uint32_t kParkMillerModulus = 0x7FFFFFFF;

// Park and Miller's minimal standard generator with the multiplier 48271; seeds the big one.
class ParkMiller {
 public:
  explicit ParkMiller(std::uint32_t seed) : value_(seed) {
    for (int i = 0; i < 20; ++i) next();
  }
  std::uint64_t next() {
    value_ = value_ * 48271 % kParkMillerModulus;
    return value_;
  }

 private:
  std::uint64_t value_;
};

}  // namespace

// Every seed is mixed with one state: the generator's after 7.8 * 10^12 draws from seed 1. Those
// are jumped over: with x^607 = x^334 + 1, the n-th draw is x^n applied to the first 607.
LaggedRandom::State LaggedRandom::warmed_up() {
  constexpr std::uint64_t kDraws = 7'800'000'000'000;
  constexpr std::size_t kShift = kLength - kTap;
  ParkMiller seeds(1);
  State slots{};
  for (auto& slot : slots) {
    slot = seeds.next() << 20;
    slot ^= seeds.next() << 10;
    slot ^= seeds.next();
  }
  // The slots are used downwards from kShift - 1; `draws` has them in the order of use.
  const auto slot_of = [](std::uint64_t n) {
    return (kShift - 1 + kLength - static_cast<std::size_t>(n % kLength)) % kLength;
  };
  std::vector<std::uint64_t> draws(2 * kLength);
  for (std::size_t i = 0; i < kLength; ++i) draws[i] = slots[slot_of(i)];
  for (std::size_t i = kLength; i < draws.size(); ++i) {
    draws[i] = draws[i - kLength] + draws[i - kTap];
  }
  std::vector<std::uint64_t> power(kLength, 0);
  power[0] = 1;
  for (int bit = 63; bit >= 0; --bit) {
    std::vector<std::uint64_t> square(2 * kLength, 0);
    const std::size_t shift = (kDraws >> bit) & 1;
    for (std::size_t i = 0; i < kLength; ++i) {
      if (power[i] == 0) continue;
      for (std::size_t j = 0; j < kLength; ++j) square[i + j + shift] += power[i] * power[j];
    }
    for (std::size_t i = square.size(); i-- > kLength;) {
      square[i - kLength] += square[i];
      square[i - kLength + kShift] += square[i];
    }
    power.assign(square.begin(), square.begin() + kLength);
  }
  for (std::size_t j = 0; j < kLength; ++j) {
    std::uint64_t sum = 0;
    for (std::size_t k = 0; k < kLength; ++k) sum += power[k] * draws[k + j];
    slots[slot_of(kDraws + j)] = sum;
  }
  return slots;
}

LaggedRandom::LaggedRandom(std::int64_t seed) {
  static const State kWarmedUp = warmed_up();
  std::int64_t start = seed % std::int64_t{kParkMillerModulus};
  if (start < 0) start += kParkMillerModulus;
  if (start == 0) start = 89482311;
  ParkMiller seeds(static_cast<std::uint32_t>(start));
  for (std::size_t i = 0; i < kLength; ++i) {
    std::uint64_t word = seeds.next() << 40;
    word ^= seeds.next() << 20;
    word ^= seeds.next();
    state_[i] = word ^ kWarmedUp[i];
  }
}

std::uint64_t LaggedRandom::next_u63() {
  tap_ = (tap_ + kLength - 1) % kLength;
  feed_ = (feed_ + kLength - 1) % kLength;
  state_[feed_] += state_[tap_];
  return state_[feed_] & 0x7FFF'FFFF'FFFF'FFFF;
}

std::uint32_t LaggedRandom::below(std::uint32_t bound) {
  FALLOW_CHECK(bound > 0 && bound < 0x8000'0000U, "bound {}", bound);
  const std::uint32_t accepted = 0x8000'0000U - 0x8000'0000U % bound;
  for (;;) {
    const auto value = static_cast<std::uint32_t>(next_u63() >> 32);
    if (value < accepted) return value % bound;
  }
}

std::uint32_t LaggedRandom::below_by_product(std::uint32_t bound) {
  FALLOW_CHECK(bound > 0 && bound < 0x8000'0000U, "bound {}", bound);
  const std::uint32_t rejected = (0U - bound) % bound;
  for (;;) {
    const std::uint64_t product = (next_u63() >> 31) * bound;
    if (static_cast<std::uint32_t>(product) >= rejected) {
      return static_cast<std::uint32_t>(product >> 32);
    }
  }
}

std::vector<std::uint32_t> LaggedRandom::permutation(std::uint32_t count) {
  std::vector<std::uint32_t> order(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t j = below(i + 1);
    order[i] = order[j];
    order[j] = i;
  }
  return order;
}

}  // namespace fallow::sim
