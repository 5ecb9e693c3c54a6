// One run of the market laboratory: jobs of a trace on a fleet of nodes that come and go, placed,
// leased, charged, preempted and refunded on their tiers by the market machine that ships, driven
// in event time.
//
// What is not simulated: agents that report every few seconds (a lease on spot is metered at the
// end of each price interval, any other once, at its end; silence is never waited for), the log,
// starts that fail. docs/laboratory.md has the whole list. One thread; the same options and traces
// give the same digest on every machine.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/digest.h"
#include "base/types.h"
#include "sim/market_figures.h"
#include "sim/market_rules.h"
#include "sim/market_trace.h"

namespace fallow::sim {

struct MarketInputs {
  JobTrace jobs;
  std::vector<BookRow> book;
  ChurnFit home;      // of unverified hosts
  ChurnFit verified;  // of verified ones
};

struct MarketSample {
  double day = 0;
  double used_pct = 0;  // of the devices that are there
  double waiting = 0;   // orders
};

struct MarketRun {
  JobFigures all;
  std::array<JobFigures, kMarketTierCount> asked{};  // by the tier that their jobs asked for
  LeasesByTier leases{};                             // by the tier that they had
  std::array<HostFigures, kHostKinds> hosts{};
  double fee = 0;
  double refunded = 0;
  std::vector<MarketSample> samples;  // four a day
  std::uint64_t commands = 0;
  std::uint64_t refused = 0;
  double seconds = 0;  // of this thread's processor
  Digest digest{};     // of the market's state and these figures' counts
};

// The rules are checked.
MarketRun run_market(const MarketInputs& inputs, const MarketRules& rules);

}  // namespace fallow::sim
