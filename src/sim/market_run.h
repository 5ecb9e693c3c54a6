// One run of the market laboratory: jobs of a trace on a fleet of nodes that come and go, placed,
// leased, charged and refunded by the market machine that ships, driven in event time.
//
// What is not simulated: agents that report every few seconds (a lease is metered once, at its end;
// silence is never waited for), the log, starts that fail. docs/laboratory.md has the whole list.
// One thread; the same options and traces give the same digest on every machine.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/types.h"
#include "sim/market_trace.h"

namespace fallow::sim {

// kFirstFit: the cheapest offer that fits, wherever. kOnDemand: the cheapest of verified hosts
// only. kFallow: the lowest cost to complete, and verified hosts once the deadline policy says so.
enum class MarketPolicy { kFallow, kFirstFit, kOnDemand };
constexpr MarketPolicy kMarketPolicies[] = {MarketPolicy::kFallow, MarketPolicy::kFirstFit,
                                            MarketPolicy::kOnDemand};
// "fallow", "first-fit", "on-demand".
std::string_view name_of(MarketPolicy policy);
std::optional<MarketPolicy> market_policy_named(std::string_view name);

constexpr std::uint32_t kMarketNodesMax = 1'000'000;
constexpr std::uint32_t kMarketDaysMax = 366;

struct MarketRules {
  MarketPolicy policy = MarketPolicy::kFallow;
  std::uint32_t nodes = 1'000;
  std::uint32_t days = 7;
  std::uint32_t load_pct = 60;  // work that arrives, of what the fleet could do
  double deadline_ratio = 3;    // of a job's running time on the reference card
  std::uint32_t checkpoint_minutes = 30;
  std::uint32_t start_minutes = 2;  // from placement until work; not charged
  std::uint64_t seed = 1;
};

struct MarketInputs {
  JobTrace jobs;
  std::vector<BookRow> book;
  ChurnFit home;      // of unverified hosts
  ChurnFit verified;  // of verified ones
};

// By the kind of host.
struct HostFigures {
  std::uint64_t nodes = 0;
  std::uint64_t devices = 0;
  std::uint64_t leases = 0;
  std::uint64_t lost = 0;    // ended by an owner or a failure
  double offered_hours = 0;  // devices that were there
  double leased_hours = 0;   // of them
  double income = 0;         // of providers, after the fee and refunds
};

struct MarketSample {
  double day = 0;
  double used_pct = 0;  // of the devices that are there
  double waiting = 0;   // orders
};

struct MarketRun {
  std::uint64_t jobs = 0;  // that arrived
  std::uint64_t done = 0;
  std::uint64_t late = 0;    // of the done ones, and those whose deadline has passed
  double slowdown_mean = 0;  // of the done: from arrival to end / time on the reference card
  double completion_hours_p50 = 0, completion_hours_p90 = 0, completion_hours_p99 = 0;
  double queue_minutes_mean = 0;  // from an order to its placement
  double queue_minutes_p99 = 0;
  double cost = 0;            // of all, net of refunds
  double cost_work_hour = 0;  // per GPU hour of work kept, on the reference card
  double fee = 0;
  double refunded = 0;
  double work_hours = 0;  // kept, GPU hours on the reference card
  double lost_hours = 0;  // likewise; done again
  std::uint64_t preemptions = 0;
  std::array<HostFigures, 2> hosts{};  // [verified]
  std::vector<MarketSample> samples;   // four a day
  std::uint64_t commands = 0;
  std::uint64_t refused = 0;
  double seconds = 0;  // of this thread's processor
  Digest digest{};     // of the market's state and these figures' counts
};

MarketRun run_market(const MarketInputs& inputs, const MarketRules& rules);

}  // namespace fallow::sim
