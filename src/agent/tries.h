// Tries: whether a transfer that failed is tried again, and how soon.
//
// What counts is how long nothing has come through, not how long the transfer has taken. Pure
// logic, a value; times are of one clock.
#pragma once

#include <algorithm>
#include <optional>
#include <utility>

#include "base/types.h"

namespace fallow::agent {

class Tries {
 public:
  static constexpr Duration kPauseFirst = milliseconds(250);

  // Tries go on for `last_max` after the first that failed, at most `pause_max` apart. One that
  // took `stands_min` has brought something through: from its end all of this counts anew. None:
  // however long one takes, it brings nothing through.
  Tries(Duration last_max, Duration pause_max, std::optional<Duration> stands_min)
      : last_max_(last_max), pause_max_(pause_max), stands_min_(stands_min) {}

  // One that began and ended then has failed: how long to wait for the next; none: it is over.
  std::optional<Duration> failed(Time began, Time ended) {
    if (!until_ || (stands_min_ && ended - began >= *stands_min_)) {
      until_ = ended + last_max_;
      pause_ = std::min(kPauseFirst, pause_max_);
    }
    if (ended >= *until_) return std::nullopt;
    return std::exchange(pause_, std::min(Duration(2 * pause_.value), pause_max_));
  }

 private:
  Duration last_max_;
  Duration pause_max_;
  std::optional<Duration> stands_min_;
  std::optional<Time> until_;  // none: nothing has failed
  Duration pause_;
};

}  // namespace fallow::agent
