// How likely a node is to last: for another hour, day or week, as its history says. Fitted outside
// (server/survival_fit.h), where arithmetic may be of reals; here it is a small table.
//
// Values; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/types.h"

namespace fallow::core {

constexpr std::array kSurvivalSpans = {hours(1), hours(6), hours(24), hours(72), hours(168)};
constexpr std::uint32_t kSurely = 1'000'000;  // ppm

// The first span that is no shorter, or the last.
constexpr std::size_t survival_span(Duration time) {
  std::size_t span = 0;
  while (span + 1 < kSurvivalSpans.size() && kSurvivalSpans[span] < time) ++span;
  return span;
}

// A likelihood in a byte: 255 is surely, 0 that nothing is known.
using SurvivalCode = std::uint8_t;
constexpr std::uint32_t kSurelyCode = 255;
constexpr SurvivalCode survival_code(std::uint32_t ppm) {
  const std::uint32_t code = ppm * kSurelyCode / kSurely;
  return static_cast<SurvivalCode>(code == 0 ? 1 : code);
}
constexpr std::uint32_t survival_ppm(SurvivalCode code) { return code * kSurely / kSurelyCode; }

// By span, falling; all 0 when nothing is known.
struct Survival {
  std::array<SurvivalCode, kSurvivalSpans.size()> codes{};
  bool is_known() const { return codes[0] != 0; }
  bool operator==(const Survival&) const = default;
};

// Falling, and known in all spans or in none.
bool can_be(const Survival& survival);

// The latest stretches for which a node could be leased, and the one that it is in.
class Uptime {
 public:
  struct Stretch {
    std::uint32_t seconds = 0;  // at least 1
    bool cut = false;           // it did not end by itself: it would have lasted longer
  };
  static constexpr std::size_t kStretchesMax = 16;

  // The node can be leased, or cannot any more. `cut`: what ended it was none of the node's doing.
  void follow(bool usable, Time now, bool cut);

  std::optional<Time> since() const;  // of the stretch it is in
  std::size_t size() const { return size_; }
  Stretch operator[](std::size_t at) const;  // oldest first

  template <class Archive, class Self>
  static void fields(Archive& archive, Self& x) {
    archive(x.since_, x.size_);
    for (auto& stretch : x.stretches_) archive(stretch);
  }
  bool can_be(Time now) const;  // of a snapshot

 private:
  static constexpr std::uint32_t kCutBit = std::uint32_t{1} << 31U;

  Time since_;                                            // 0: it is in none
  std::array<std::uint32_t, kStretchesMax> stretches_{};  // seconds and kCutBit; 0: none
  std::uint8_t size_ = 0;
};

}  // namespace fallow::core
