// One job of the spot laboratory: run by a policy over a trace, or by who knows the trace's future.
// Keeps nothing; any thread.
#pragma once

#include <cstdint>

#include "base/types.h"
#include "sim/spot_policy.h"
#include "sim/spot_types.h"

namespace fallow::sim {

struct SpotRun {
  Micros cost;  // time that ran, restarts included, at the price of the moment
  bool in_time = false;
  Duration took;  // until done, or the deadline
  Duration spot;  // of it
  Duration on_demand;
  std::uint32_t starts = 0;
};

// The trace has a look for every moment until the job's deadline.
SpotRun run_spot_job(const SpotTrace& trace, const SpotJob& job, SpotPolicy& policy);

// The least that any policy could have paid and been in time, by dynamic programming over looks and
// slack; nothing that runs is left without need before its restart is over. `restart` and the
// trace's gap are whole seconds. `paid` is what some policy paid that was in time: the less it is,
// the sooner the answer is found.
Micros least_cost(const SpotTrace& trace, const SpotJob& job, Micros paid);

}  // namespace fallow::sim
