// MarketTime: the time that the engine stamps on commands. It follows the wall clock, but never
// stands still or goes back when the wall clock is set back: then it goes on at the monotonic
// clock's pace. Leases would otherwise neither accrue nor run out until the wall caught up.
//
// Owner: Sequencer. One thread.
#pragma once

#include <algorithm>

#include "base/env.h"
#include "base/types.h"

namespace fallow::engine {

class MarketTime {
 public:
  // `floor` is the time of the log's last entry. `clock` must outlive this.
  MarketTime(const Clock& clock, Time floor)
      : clock_(&clock), last_(std::max(floor, clock.now())), last_monotonic_(clock.monotonic()) {}

  Time now() {
    const Time monotonic = clock_->monotonic();
    last_ = std::max(clock_->now(), last_ + (monotonic - last_monotonic_));
    last_monotonic_ = monotonic;
    return last_;
  }

 private:
  const Clock* clock_;
  Time last_;
  Time last_monotonic_;
};

}  // namespace fallow::engine
