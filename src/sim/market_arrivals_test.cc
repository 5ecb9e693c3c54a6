#include "sim/market_arrivals.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "sim/market_inputs_test.h"

namespace fallow::sim {
namespace {

std::vector<Job> drawn(const MarketRules& rules, double capacity = 50) {
  return draw_jobs(some_inputs().jobs, rules, capacity, Time{} + hours(1));
}

std::size_t jobs_of(const std::vector<Job>& jobs, v1::Tier tier) {
  return static_cast<std::size_t>(
      std::count_if(jobs.begin(), jobs.end(), [&](const Job& job) { return job.tier == tier; }));
}

TEST(MarketArrivals, TiersAreDrawnAsTheRulesSay) {
  MarketRules rules;
  rules.days = 2;
  rules.spot_pct = 50;
  rules.reserved_pct = 10;
  const std::vector<Job> jobs = drawn(rules, 500);
  ASSERT_GT(jobs.size(), 1'000U);
  const double all = static_cast<double>(jobs.size());
  EXPECT_NEAR(static_cast<double>(jobs_of(jobs, v1::SPOT)) / all, 0.5, 0.05);
  EXPECT_NEAR(static_cast<double>(jobs_of(jobs, v1::RESERVED)) / all, 0.1, 0.03);
  for (const Job& job : jobs) {
    EXPECT_GE(job.bid_pct, 50U);
    EXPECT_LE(job.bid_pct, 100U);
    EXPECT_GE(job.arrival, Time{} + hours(1));
    EXPECT_LT(job.arrival, Time{} + hours(49));
  }
}

TEST(MarketArrivals, PoliciesAreComparedOnTheSameJobs) {
  MarketRules rules;
  rules.days = 2;
  rules.policy = MarketPolicy::kFirstFit;
  const std::vector<Job> first_fit = drawn(rules);
  rules.policy = MarketPolicy::kOnDemand;
  const std::vector<Job> on_demand = drawn(rules);
  ASSERT_EQ(first_fit.size(), on_demand.size());
  for (std::size_t i = 0; i < first_fit.size(); ++i) {
    EXPECT_EQ(first_fit[i].arrival, on_demand[i].arrival);
    EXPECT_EQ(first_fit[i].running, on_demand[i].running);
    EXPECT_EQ(first_fit[i].bid_pct, on_demand[i].bid_pct);
  }
  EXPECT_EQ(jobs_of(on_demand, v1::ON_DEMAND), on_demand.size());
  EXPECT_GT(jobs_of(first_fit, v1::SPOT), 0U);
}

TEST(MarketArrivals, TwiceTheLoadIsTwiceTheWork) {
  MarketRules rules;
  rules.days = 2;
  const auto work_of = [&] {
    double hours = 0;
    for (const Job& job : drawn(rules, 200)) {
      hours += static_cast<double>(job.running.value) / 3'600e6 * job.pieces_left;
    }
    return hours;
  };
  const double once = work_of();
  EXPECT_NEAR(once, 200 * 24 * 2 * 0.6, 0.1 * once);
  rules.load_pct *= 2;
  EXPECT_NEAR(work_of(), 2 * once, 0.1 * once);
}

}  // namespace
}  // namespace fallow::sim
