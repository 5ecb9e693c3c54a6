#include "sim/market_arrivals.h"

#include <algorithm>
#include <memory>

#include "base/env.h"

namespace fallow::sim {
namespace {

constexpr std::uint32_t kBidPctMin = 50;
constexpr std::uint32_t kBidPctMax = 100;

v1::Tier tier_drawn(const MarketRules& rules, std::uint64_t drawn) {
  if (rules.policy == MarketPolicy::kOnDemand) return v1::ON_DEMAND;
  if (drawn < rules.reserved_pct) return v1::RESERVED;
  return drawn < rules.reserved_pct + rules.spot_pct ? v1::SPOT : v1::ON_DEMAND;
}

}  // namespace

std::vector<Job> draw_jobs(const JobTrace& trace, const MarketRules& rules, double capacity,
                           Time start) {
  const std::unique_ptr<Random> copies_of = seeded_random(rules.seed ^ 0x6A6F6273);
  const std::unique_ptr<Random> tiers_of = seeded_random(rules.seed ^ 0x74696572);
  double trace_hours = 0;  // of GPUs on the reference card
  for (const TraceJob& job : trace.jobs) {
    trace_hours += static_cast<double>(job.running.value) / 3'600e6 * job.gpus;
  }
  const double wanted = capacity * 24 * trace.days * rules.load_pct / 100;
  const double copies = wanted / trace_hours;
  const Duration span = hours(24 * std::int64_t{trace.days});
  const Duration days = hours(24 * std::int64_t{rules.days});
  std::vector<Job> jobs;
  for (double copy = 0; copy < copies; ++copy) {
    const double part = std::min(1.0, copies - copy);
    const Duration shift =
        copy == 0 ? Duration() : hours(24 * std::int64_t(copies_of->below(trace.days)));
    for (const TraceJob& job : trace.jobs) {
      const Duration at((job.arrival.us + shift.value) % span.value);
      const bool taken = part >= 1 || double(copies_of->below(1'000'000)) < part * 1e6;
      if (at >= days || !taken) continue;
      const v1::Tier tier = tier_drawn(rules, tiers_of->below(100));
      const std::uint64_t bid = kBidPctMin + tiers_of->below(kBidPctMax - kBidPctMin + 1);
      jobs.push_back(Job{start + at, job.running, job.gpus, job.cluster, tier,
                         static_cast<std::uint32_t>(bid)});
    }
  }
  return jobs;
}

}  // namespace fallow::sim
