#include "core/survival.h"

#include <algorithm>
#include <functional>

namespace fallow::core {

bool can_be(const Survival& survival) {
  const bool falling =
      std::is_sorted(survival.codes.begin(), survival.codes.end(), std::greater<>());
  return falling && (survival.codes.front() == 0) == (survival.codes.back() == 0);
}

void Uptime::follow(bool usable, Time now, bool cut) {
  if (usable == (since_.us != 0)) return;
  if (usable) {
    since_ = now;
    return;
  }
  const std::int64_t length = (now - since_).value / seconds(1).value;
  since_ = Time{};
  if (size_ == kStretchesMax) {
    std::rotate(stretches_.begin(), stretches_.begin() + 1, stretches_.end());
    --size_;
  }
  stretches_[size_++] =
      static_cast<std::uint32_t>(std::clamp<std::int64_t>(length, 1, kCutBit - 1)) |
      (cut ? kCutBit : 0U);
}

std::optional<Time> Uptime::since() const {
  if (since_.us == 0) return std::nullopt;
  return since_;
}

Uptime::Stretch Uptime::operator[](std::size_t at) const {
  return {stretches_[at] & ~kCutBit, (stretches_[at] & kCutBit) != 0};
}

bool Uptime::can_be(Time now) const {
  if (size_ > kStretchesMax || since_.us < 0 || since_ > now) return false;
  for (std::size_t i = 0; i < kStretchesMax; ++i) {
    if (((stretches_[i] & ~kCutBit) != 0) != (i < size_)) return false;
    if (i >= size_ && stretches_[i] != 0) return false;
  }
  return true;
}

}  // namespace fallow::core
