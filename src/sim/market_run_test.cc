#include "sim/market_run.h"

#include <gtest/gtest.h>

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

MarketRun run(MarketPolicy policy) { return run_market(some_inputs(), rules(policy)); }

TEST(MarketRun, PoliciesHaveNames) {
  for (const MarketPolicy policy : kMarketPolicies) {
    EXPECT_EQ(market_policy_named(name_of(policy)), policy);
  }
  EXPECT_FALSE(market_policy_named("cheapest"));
}

TEST(MarketRun, TheSameSeedIsTheSameHistory) {
  for (const MarketPolicy policy : kMarketPolicies) {
    EXPECT_EQ(run(policy).digest, run(policy).digest) << name_of(policy);
  }
  MarketRules other = rules(MarketPolicy::kFallow);
  other.seed = 2;
  EXPECT_NE(run_market(some_inputs(), other).digest, run(MarketPolicy::kFallow).digest);
}

TEST(MarketRun, JobsAreDoneAndPaid) {
  for (const MarketPolicy policy : kMarketPolicies) {
    const MarketRun result = run(policy);
    EXPECT_EQ(result.refused, 0U);
    EXPECT_GT(result.jobs, 100U);
    EXPECT_GT(result.done, result.jobs * 9 / 10) << name_of(policy);
    EXPECT_GT(result.work_hours, 100);
    EXPECT_GT(result.preemptions, 5U);
    EXPECT_GT(result.lost_hours, 0);
    EXPECT_LT(result.lost_hours, result.work_hours / 4);
    // Every micro that a renter paid is a provider's or the market's.
    double income = 0;
    std::uint64_t lost = 0;
    for (const HostFigures& host : result.hosts) {
      income += host.income;
      lost += host.lost;
      EXPECT_LE(host.leased_hours, host.offered_hours);
      EXPECT_GT(host.nodes, 5U);
    }
    EXPECT_NEAR(result.cost, income + result.fee, 0.01 * result.cost);
    EXPECT_EQ(lost, result.preemptions);
    EXPECT_EQ(result.samples.size(), 12U);
  }
}

TEST(MarketRun, OnDemandStaysWithVerifiedHosts) {
  const MarketRun result = run(MarketPolicy::kOnDemand);
  EXPECT_EQ(result.hosts[0].leases, 0U);
  EXPECT_GT(run(MarketPolicy::kFirstFit).hosts[0].leases, 50U);
}

TEST(MarketRun, CostToCompleteIsCheaperByTheWorkDone) {
  EXPECT_LT(run(MarketPolicy::kFallow).cost_work_hour, run(MarketPolicy::kFirstFit).cost_work_hour);
}

TEST(MarketRun, LateJobsMoveToVerifiedHosts) {
  MarketRules tight = rules(MarketPolicy::kFallow);
  tight.deadline_ratio = 1;
  const MarketRun hurried = run_market(some_inputs(), tight);
  // Nobody has the time for a second try, but what ran on a card that is faster than thought.
  EXPECT_LT(hurried.hosts[0].leases * 5, run(MarketPolicy::kFallow).hosts[0].leases);
}

TEST(MarketRun, TooMuchWorkWaits) {
  MarketRules crowded = rules(MarketPolicy::kFirstFit);
  crowded.load_pct = 300;
  const MarketRun result = run_market(some_inputs(), crowded);
  EXPECT_GT(result.queue_minutes_p99, 60);
  EXPECT_GT(result.late, result.jobs / 10);
  EXPECT_GT(result.samples.back().waiting, 0);
}

TEST(MarketRun, WhatNoNodeEverHasIsRefused) {
  MarketInputs inputs = some_inputs();
  for (BookRow& row : inputs.book) row.memory_mb = 8'192;
  const MarketRun result = run_market(inputs, rules(MarketPolicy::kFirstFit));
  EXPECT_EQ(result.refused, result.jobs);
  EXPECT_EQ(result.done, 0U);
  EXPECT_EQ(result.cost, 0);
}

}  // namespace
}  // namespace fallow::sim
