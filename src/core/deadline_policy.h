// When a task with a deadline runs on spot, when on on_demand and when it waits, so that the
// deadline holds at the lowest cost.
//
// A pure function of integers; any thread. The market asks it whenever something changed and at
// least every `step`; the laboratory (`fallow sim spot`) measures the same function on traces.
//
// The slack, time left less work left, is all that can be lost: waiting takes of it what it lasts,
// every start takes the restart time. The policy puts a price on slack. At that price it compares
// what each thing costs, with the odds of the SpotHistory: to wait for spot or to start on_demand,
// to leave on_demand for spot that may not last. The price is the lowest at which the expected use
// of slack fits what there is. Spot that is already running is never left.
//
// Who waits and is told what to expect of an hour goes by that, and not by the odds: he waits for
// an hour with room that begins in time, and does not wait for the end of one without, when it
// would be too late to wait on then.
//
// The deadline itself does not hang on any odds: a choice that could leave less than the work left
// and one restart is never made.
#pragma once

#include <cstdint>

#include "base/types.h"
#include "core/spot_history.h"

namespace fallow::core {

enum class RunMode : std::uint8_t { kWaiting, kSpot, kOnDemand };

// What is expected of spot in an hour to come: that there is room, or that all there is and more is
// asked for.
enum class SpotOutlook : std::uint8_t { kUnknown, kComes, kStaysAway };

struct DeadlineState {
  Duration time_left;     // until the deadline
  Duration work_left;     // running time until done; what a lost run would repeat counts as restart
  Duration restart;       // from the start of any run until it does new work
  Duration restart_left;  // of the current run
  Duration step;          // the policy is asked again after this long, at the latest; > 0
  RunMode mode = RunMode::kWaiting;
  bool spot_available = false;
  Duration spot_age;  // for how long that has been so
  Micros spot_hour;   // price of either, >= 0
  Micros on_demand_hour;
  SpotOutlook outlook = SpotOutlook::kUnknown;
  Duration outlook_from;  // until that hour begins
};

// What the task should do until it is asked again. kSpot only where spot is available.
// Where even on_demand from now on would be late, the answer is what finishes soonest.
RunMode choose_run(const DeadlineState& state, const SpotHistory& history);

}  // namespace fallow::core
