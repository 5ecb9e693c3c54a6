#include "base/env.h"

#include <sodium/randombytes.h>

#include <array>
#include <ctime>
#include <limits>

#include "base/check.h"

namespace fallow {
namespace {

Time read_clock(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return Time{std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1'000};
}

class SystemClock final : public Clock {
 public:
  Time now() const override { return read_clock(CLOCK_REALTIME); }
  Time monotonic() const override { return read_clock(CLOCK_BOOTTIME); }
};

class SystemRandom final : public Random {
 public:
  void fill(std::span<std::uint8_t> bytes) override { randombytes_buf(bytes.data(), bytes.size()); }
};

// SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  void fill(std::span<std::uint8_t> bytes) override {
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      if (i % 8 == 0) word = step();
      bytes[i] = static_cast<std::uint8_t>(word >> (8 * (i % 8)));
    }
  }

 private:
  std::uint64_t step() {
    state_ += 0x9E3779B97F4A7C15ULL;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
  }
  std::uint64_t state_;
};

}  // namespace

std::uint64_t Random::next_u64() {
  std::array<std::uint8_t, 8> bytes;
  fill(bytes);
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) value |= std::uint64_t{bytes[i]} << (8 * i);
  return value;
}

std::uint64_t Random::below(std::uint64_t bound) {
  FALLOW_CHECK(bound > 0, "an empty range has no random member");
  // Reject the tail so that every value is equally likely.
  const std::uint64_t limit = std::numeric_limits<std::uint64_t>::max() / bound * bound;
  std::uint64_t value = next_u64();
  while (value >= limit) value = next_u64();
  return value % bound;
}

std::unique_ptr<Clock> system_clock() { return std::make_unique<SystemClock>(); }
std::unique_ptr<Random> system_random() { return std::make_unique<SystemRandom>(); }
std::unique_ptr<Random> seeded_random(std::uint64_t seed) {
  return std::make_unique<SeededRandom>(seed);
}

}  // namespace fallow
