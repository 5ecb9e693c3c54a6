// Deadlines on the machine's monotonic clock, computed without overflow.
#pragma once

#include <algorithm>
#include <chrono>

#include "base/types.h"

namespace fallow::net {

using Deadline = std::chrono::steady_clock::time_point;

constexpr Deadline kNoDeadline = Deadline::max();
// A duration at or above this means "no limit".
constexpr Duration kForever = hours(24 * 365 * 100);

inline Deadline deadline_after(Duration duration) {
  if (duration >= kForever) return kNoDeadline;
  return std::chrono::steady_clock::now() +
         std::chrono::microseconds(std::max<std::int64_t>(duration.value, 0));
}

}  // namespace fallow::net
