// The market laboratory's jobs: those of a trace, as often as its load asks for. Owner:
// run_market; any thread.
#pragma once

#include <vector>

#include "base/types.h"
#include "sim/market_plan.h"
#include "sim/market_rules.h"
#include "sim/market_trace.h"

namespace fallow::sim {

// The trace again and again, each copy some whole days later, until as much work arrives as the
// rules say of `capacity`, in reference cards; of that what arrives within the rules' days from
// `start` on. Tiers and bids are drawn by chance, whatever the job; the same rules but for the
// policy give the same jobs, and the policy on-demand asks for on_demand alone. `pieces_left` is
// the job's GPUs.
std::vector<Job> draw_jobs(const JobTrace& trace, const MarketRules& rules, double capacity,
                           Time start);

}  // namespace fallow::sim
