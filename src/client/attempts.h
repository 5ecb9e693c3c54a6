// How often, and how soon, a market that is busy is asked again. Private to client/.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <thread>

namespace fallow::client {

inline constexpr int kAttemptsMax = 5;  // of one call or tunnel, and of a stream that never stood
// Of a stream that did, and of an upload: a server that is updated, or its machine, is back by
// then.
inline constexpr std::chrono::minutes kAwayMax{5};
// A connection over which no event has come stands when it is this old.
inline constexpr std::chrono::seconds kStandsMin{5};
inline constexpr std::chrono::milliseconds kBackoffFirst{100};
inline constexpr int kBackoffDoublingsMax = 5;
inline constexpr std::chrono::milliseconds kCancelLook{
    50};  // how late a wait hears that it is over

// Too many requests, no room, or a proxy whose server is away: the same may be granted in a moment.
inline bool may_come_later(int status) {
  constexpr std::array kStatuses{408, 429, 502, 503, 504};
  return std::find(kStatuses.begin(), kStatuses.end(), status) != kStatuses.end();
}

// Blocks before the next attempt, but not for long once `cancelled`, which may be null; `attempt`,
// from 0, is the one that failed.
inline void back_off(int attempt, const std::atomic<bool>* cancelled) {
  using Steady = std::chrono::steady_clock;
  const auto until = Steady::now() + kBackoffFirst * (1 << std::min(attempt, kBackoffDoublingsMax));
  for (auto now = Steady::now(); now < until; now = Steady::now()) {
    if (cancelled != nullptr && *cancelled) return;
    std::this_thread::sleep_for(std::min<Steady::duration>(until - now, kCancelLook));
  }
}

// Whether a stream that broke off is asked for once more, or an upload goes on. A value of one of
// them.
class Patience {
 public:
  // It is asked for.
  void begin() { began_ = std::chrono::steady_clock::now(); }
  // An event came, or a heartbeat, or the upload got on: it stands.
  void heard() {
    has_stood_ = true;
    attempt_ = 0;
  }
  // Something came that says no more than that the server has begun to answer, as one does that
  // breaks off at once, every time.
  void heard_little() {
    if (std::chrono::steady_clock::now() - began_ >= kStandsMin) heard();
  }
  bool has_stood() const { return has_stood_; }
  // It broke off: blocks until the next attempt; false when there were enough.
  bool wait(const std::atomic<bool>* cancelled) {
    const auto now = std::chrono::steady_clock::now();
    if (attempt_ == 0) away_since_ = now;
    const bool goes_on = has_stood_ ? now - away_since_ < kAwayMax : attempt_ + 1 < kAttemptsMax;
    if (goes_on) back_off(attempt_++, cancelled);
    return goes_on;
  }

 private:
  bool has_stood_ = false;
  int attempt_ = 0;  // since something came last
  std::chrono::steady_clock::time_point began_;
  std::chrono::steady_clock::time_point away_since_;
};

}  // namespace fallow::client
