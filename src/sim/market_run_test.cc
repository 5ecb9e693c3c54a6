#include "sim/market_run.h"

#include <gtest/gtest.h>

#include <map>

#include "base/sanitizers.h"
#include "sim/market_inputs_test.h"

namespace fallow::sim {
namespace {

MarketRules rules(MarketPolicy policy) {
  MarketRules rules;
  rules.policy = policy;
  rules.nodes = 60;
  rules.days = 3;
  return rules;
}

// One run of each is enough for all tests that look at it.
const MarketRun& run(MarketPolicy policy) {
  static std::map<MarketPolicy, MarketRun> runs;
  const auto known = runs.find(policy);
  if (known != runs.end()) return known->second;
  return runs.emplace(policy, run_market(some_inputs(), rules(policy))).first->second;
}

const JobFigures& asked(const MarketRun& run, v1::Tier tier) { return run.asked[place_of(tier)]; }

LeaseFigures leases_of(const MarketRun& run, v1::Tier tier) {
  LeaseFigures leases = run.leases[place_of(tier)][0];
  leases.add(run.leases[place_of(tier)][1]);
  return leases;
}

// Verified hosts of one model and price that never fail, and jobs of 30 hours on the reference
// card: about 13 there.
MarketInputs steady_inputs(const char* running_s) {
  MarketInputs inputs = some_inputs();
  inputs.book = *parse_price_book(csv_of(
      std::string(kBookHead) + "1,RTX 4090,24,98,82,all,verified,100,0.4,0.4,0.4\n", "book.csv"));
  inputs.verified = {1, 1e6, 1, 0.01};
  std::string jobs = kJobsHead;
  for (int i = 0; i < 24; ++i) {
    jobs += fmt::format("2017-10-03 {:02}:00:00,{},1,1.0,c\n", i, running_s);
  }
  inputs.jobs = *parse_jobs(csv_of(jobs, "jobs.csv"));
  return inputs;
}

MarketRules one_tier(v1::Tier tier) {
  MarketRules all_of = rules(MarketPolicy::kFirstFit);
  all_of.spot_pct = tier == v1::SPOT ? 100 : 0;
  all_of.reserved_pct = tier == v1::RESERVED ? 100 : 0;
  all_of.load_pct = 20;
  all_of.days = 5;
  return all_of;
}

TEST(MarketRun, TheSameSeedIsTheSameHistory) {
  for (const MarketPolicy policy : kMarketPolicies) {
    if (kHasSanitizer && policy != MarketPolicy::kFallow) continue;
    EXPECT_EQ(run_market(some_inputs(), rules(policy)).digest, run(policy).digest)
        << name_of(policy);
  }
  MarketRules other = rules(MarketPolicy::kFallow);
  other.seed = 2;
  EXPECT_NE(run_market(some_inputs(), other).digest, run(MarketPolicy::kFallow).digest);
}

// The same on every machine, in every build.
TEST(MarketRun, DigestsAreKnown) {
  const std::pair<MarketPolicy, const char*> known[] = {
      {MarketPolicy::kFirstFit, "e7db16b97e04ba4fb13a4c8618655ea4650e791fbdf74f14fd99faf736b0dde6"},
      {MarketPolicy::kOnDemand, "cae8b145c7a10e937132549bb1002d2c4603d27d373e002d09e471a456414ef0"},
      {MarketPolicy::kFallow, "50ab8ee043b16eb3cdfe1d6cc4ffe5421cd0f40fb182f7925a3aa81c749943a0"},
  };
  for (const auto& [policy, digest] : known) {
    EXPECT_EQ(to_hex(run(policy).digest), digest)
        << name_of(policy)
        << ": what a market does is another thing now; if that is meant, this is its digest";
  }
}

TEST(MarketRun, JobsAreDoneAndPaid) {
  for (const MarketPolicy policy : kMarketPolicies) {
    const MarketRun& result = run(policy);
    EXPECT_EQ(result.refused, 0U);
    EXPECT_GT(result.all.jobs, 100U);
    EXPECT_GT(result.all.done, result.all.jobs * 9 / 10) << name_of(policy);
    EXPECT_GT(result.all.work_hours, 100);
    EXPECT_GT(result.all.lost_hours, 0);
    EXPECT_LT(result.all.lost_hours, result.all.work_hours / 4);
    // Every micro that a renter paid is a provider's or the market's.
    const LeaseFigures leases = sum_of(result.leases);
    EXPECT_GT(leases.lost, 5U);
    EXPECT_NEAR(result.all.cost, leases.income + result.fee, 0.001);
    EXPECT_NEAR(result.all.cost, leases.cost, 0.001);
    for (const bool verified : {false, true}) {
      const HostFigures& host = result.hosts[verified ? 1 : 0];
      EXPECT_LE(sum_on(result.leases, verified).leased_hours, host.offered_hours);
      EXPECT_GT(host.nodes, 5U);
    }
    EXPECT_EQ(result.samples.size(), 12U);
  }
}

TEST(MarketRun, TiersAddUpToAll) {
  for (const MarketPolicy policy : kMarketPolicies) {
    const MarketRun& result = run(policy);
    JobFigures sum;
    for (const JobFigures& figures : result.asked) {
      sum.jobs += figures.jobs;
      sum.done += figures.done;
      sum.late += figures.late;
      sum.cost += figures.cost;
      sum.work_hours += figures.work_hours;
      sum.lost_hours += figures.lost_hours;
      sum.leased_hours += figures.leased_hours;
      sum.spot_hours += figures.spot_hours;
    }
    EXPECT_EQ(sum.jobs, result.all.jobs);
    EXPECT_EQ(sum.done, result.all.done);
    EXPECT_EQ(sum.late, result.all.late);
    EXPECT_NEAR(sum.cost, result.all.cost, 0.001);
    const LeaseFigures leases = sum_of(result.leases);
    EXPECT_NEAR(leases.work_hours, sum.work_hours, 0.001);
    EXPECT_NEAR(leases.lost_hours, sum.lost_hours, 0.001);
    EXPECT_NEAR(leases.leased_hours, sum.leased_hours, 0.001);
    EXPECT_NEAR(leases_of(result, v1::SPOT).leased_hours, sum.spot_hours, 0.001);
  }
}

TEST(MarketRun, EveryoneHasTheTierThatHeAskedForOrLeavesItToTheMarket) {
  const MarketRun& first_fit = run(MarketPolicy::kFirstFit);
  EXPECT_EQ(asked(first_fit, v1::SPOT).spot_pct(), 100);
  const MarketRun& fallow = run(MarketPolicy::kFallow);
  EXPECT_GT(asked(fallow, v1::SPOT).spot_pct(), 10);
  EXPECT_LT(asked(fallow, v1::SPOT).spot_pct(), 100);
  for (const MarketRun* result : {&first_fit, &fallow}) {
    EXPECT_EQ(asked(*result, v1::RESERVED).spot_pct(), 0);
    EXPECT_EQ(asked(*result, v1::ON_DEMAND).spot_pct(), 0);
    EXPECT_GT(leases_of(*result, v1::RESERVED).leases, 10U);
  }
}

TEST(MarketRun, OnDemandStaysWithVerifiedHosts) {
  const MarketRun& result = run(MarketPolicy::kOnDemand);
  EXPECT_EQ(sum_on(result.leases, false).leases, 0U);
  EXPECT_EQ(leases_of(result, v1::ON_DEMAND).leases, sum_of(result.leases).leases);
  EXPECT_GT(sum_on(run(MarketPolicy::kFirstFit).leases, false).leases, 50U);
}

TEST(MarketRun, CostToCompleteIsCheaperByTheWorkDone) {
  const auto cost = [](MarketPolicy policy) {
    MarketRules on_demand = rules(policy);
    on_demand.spot_pct = on_demand.reserved_pct = 0;
    return run_market(some_inputs(), on_demand).all.cost_work_hour;
  };
  EXPECT_LT(cost(MarketPolicy::kFallow), cost(MarketPolicy::kFirstFit));
}

// Slow cards that cost little an hour, but more than fast ones for the work: a minute's work is
// done in 26 s for 2.9 thousandths, or in 220 s, too late, for 3.1. A start costs nobody anything.
TEST(MarketRun, ShortJobsAreNotSentToSlowCards) {
  MarketInputs inputs = steady_inputs("60");
  inputs.book = *parse_price_book(csv_of(std::string(kBookHead) +
                                             "1,RTX 4090,24,98,82,all,verified,100,0.4,0.4,0.4\n"
                                             "2,RTX 2060,12,6,6,all,verified,100,0.05,0.05,0.05\n",
                                         "book.csv"));
  std::string jobs = kJobsHead;
  for (int i = 0; i < 24 * 60; ++i) {
    jobs += fmt::format("2017-10-03 {:02}:{:02}:00,60,1,1.0,c\n", i / 60, i % 60);
  }
  inputs.jobs = *parse_jobs(csv_of(jobs, "jobs.csv"));
  MarketRules short_jobs = rules(MarketPolicy::kFallow);
  short_jobs.nodes = 20;
  short_jobs.days = 1;
  short_jobs.load_pct = 5;
  short_jobs.spot_pct = short_jobs.reserved_pct = 0;
  const MarketRun result = run_market(inputs, short_jobs);
  EXPECT_GT(result.all.done, 1'000U);
  EXPECT_EQ(result.all.late, 0U);
  EXPECT_LT(result.all.slowdown_mean, 3);
}

// Nobody waits, so nobody's bid sets a price: the floor holds.
TEST(MarketRun, SpotWithoutARivalPaysItsFloor) {
  const MarketInputs inputs = steady_inputs("7200");
  const MarketRun spot = run_market(inputs, one_tier(v1::SPOT));
  const MarketRun on_demand = run_market(inputs, one_tier(v1::ON_DEMAND));
  ASSERT_GT(spot.all.done, 20U);
  EXPECT_EQ(sum_of(spot.leases).preempted, 0U);
  EXPECT_NEAR(spot.all.cost_work_hour / on_demand.all.cost_work_hour, 0.32, 0.001);
}

// In a crowd those who bid more set the price of those who run, and on_demand takes their place.
TEST(MarketRun, SpotMakesRoomAndPaysMoreInACrowd) {
  MarketRules crowded = rules(MarketPolicy::kFirstFit);
  crowded.load_pct = 110;
  crowded.nodes = 20;
  const MarketInputs inputs = steady_inputs("7200");
  const MarketRun result = run_market(inputs, crowded);
  const LeaseFigures spot = leases_of(result, v1::SPOT);
  EXPECT_GT(spot.preempted, 10U);
  EXPECT_GT(spot.preempted_hours, 0);
  EXPECT_EQ(leases_of(result, v1::ON_DEMAND).preempted, 0U);
  EXPECT_EQ(leases_of(result, v1::RESERVED).preempted, 0U);
  const double on_demand = asked(result, v1::ON_DEMAND).cost_work_hour;
  const double paid = spot.cost / (spot.work_hours + spot.lost_hours);
  EXPECT_GT(paid, 0.34 * on_demand);
  EXPECT_LT(paid, on_demand);
  EXPECT_GT(asked(result, v1::SPOT).queue_minutes_mean,
            asked(result, v1::ON_DEMAND).queue_minutes_mean);
}

// A term of a day has 5 % off, one of half a day nothing.
TEST(MarketRun, ATermPaysWhatItReached) {
  const auto ratio = [](const MarketInputs& inputs) {
    return run_market(inputs, one_tier(v1::RESERVED)).all.cost_work_hour /
           run_market(inputs, one_tier(v1::ON_DEMAND)).all.cost_work_hour;
  };
  EXPECT_NEAR(ratio(steady_inputs("216000")), 0.95, 0.001);
  EXPECT_NEAR(ratio(steady_inputs("108000")), 1, 0.001);
}

TEST(MarketRun, LateJobsMoveToVerifiedHosts) {
  MarketRules tight = rules(MarketPolicy::kFallow);
  tight.deadline_ratio = 1;
  const MarketRun hurried = run_market(some_inputs(), tight);
  // Nobody has the time for a second try, but what ran on a card that is faster than thought.
  EXPECT_LT(sum_on(hurried.leases, false).leases * 5,
            sum_on(run(MarketPolicy::kFallow).leases, false).leases);
  EXPECT_LT(asked(hurried, v1::SPOT).spot_pct(), 20);
}

TEST(MarketRun, TooMuchWorkWaits) {
  MarketRules crowded = rules(MarketPolicy::kFirstFit);
  crowded.load_pct = 300;
  crowded.spot_pct = crowded.reserved_pct = 0;  // bids, of which no two are alike, take minutes
  const MarketRun result = run_market(some_inputs(), crowded);
  EXPECT_GT(result.all.queue_minutes_p99, 60);
  EXPECT_GT(result.all.late, result.all.jobs / 10);
  EXPECT_GT(result.samples.back().waiting, 0);
}

TEST(MarketRun, WhatNoNodeEverHasIsRefused) {
  MarketInputs inputs = some_inputs();
  for (BookRow& row : inputs.book) row.memory_mb = 8'192;
  const MarketRun result = run_market(inputs, rules(MarketPolicy::kFirstFit));
  EXPECT_EQ(result.refused, result.all.jobs);
  EXPECT_EQ(result.all.done, 0U);
  EXPECT_EQ(result.all.cost, 0);
}

}  // namespace
}  // namespace fallow::sim
