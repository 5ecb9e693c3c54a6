// How often, and how soon, a market that is busy is asked again. Private to client/.
#pragma once

#include <chrono>
#include <thread>

namespace fallow::client {

inline constexpr int kAttemptsMax = 5;  // of one call or tunnel, and of a stream without progress
inline constexpr int kStatusTooMany = 429;
inline constexpr int kStatusUnavailable = 503;
inline constexpr std::chrono::milliseconds kBackoffFirst{100};

// Too many requests or no room: the same may be granted in a moment.
inline bool may_come_later(int status) {
  return status == kStatusTooMany || status == kStatusUnavailable;
}

// Blocks before the next attempt; `attempt`, from 0, is the one that failed.
inline void back_off(int attempt) { std::this_thread::sleep_for(kBackoffFirst * (1 << attempt)); }

}  // namespace fallow::client
