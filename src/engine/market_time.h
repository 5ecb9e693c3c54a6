// MarketTime: the time that the engine stamps on commands. It goes at the monotonic clock's pace,
// and follows the wall clock as far as leases allow:
// - Where the wall clock is set back, it neither stands still nor goes back: leases would neither
//   accrue nor run out until the wall caught up.
// - Where the wall clock is set forward, it does not leap: every lease would have been silent for
//   too long at once, and its task placed anew while its node, which has heard the market a moment
//   ago, lets it run. It gains one part in kHurry until it has caught up; a start catches up at
//   once, since Resume lets every silence begin anew. See docs/fencing.md.
//
// Owner: Sequencer. One thread.
#pragma once

#include <algorithm>

#include "base/env.h"
#include "base/types.h"

namespace fallow::engine {

class MarketTime {
 public:
  static constexpr std::int64_t kHurry = 64;

  // `floor` is the time of the log's last entry. `clock` must outlive this.
  MarketTime(const Clock& clock, Time floor)
      : clock_(&clock), last_(std::max(floor, clock.now())), last_monotonic_(clock.monotonic()) {}

  Time now() {
    const Time monotonic = clock_->monotonic();
    const Duration passed = monotonic - last_monotonic_;
    last_monotonic_ = monotonic;
    last_ = last_ + passed;
    const Duration behind = clock_->now() - last_;
    if (behind.value <= 0) {
      hurried_ = Duration(0);
      return last_;
    }
    hurried_ += passed;
    const Duration gain = std::min(behind, Duration(hurried_.value / kHurry));
    hurried_ = hurried_ - Duration(gain.value * kHurry);
    last_ = last_ + gain;
    return last_;
  }

 private:
  const Clock* clock_;
  Time last_;
  Time last_monotonic_;
  Duration hurried_;  // spent behind the wall clock and not yet gained for; less than one gain
};

}  // namespace fallow::engine
