#include "sim/spot_run.h"

#include <gtest/gtest.h>

#include "base/money.h"
#include "base/sanitizers.h"
#include "sim/spot_traces_test.h"

namespace fallow::sim {
namespace {

SpotRun run(SpotPolicyKind kind, const SpotTrace& trace, const SpotJob& job) {
  const auto policy = make_spot_policy(kind, job);
  return run_spot_job(trace, job, *policy);
}

// Found whatever is known beforehand.
Micros least(const SpotTrace& trace, const SpotJob& job) {
  const Micros unhelped = least_cost(trace, job, Micros(1'000'000'000'000));
  EXPECT_EQ(least_cost(trace, job, unhelped), unhelped);
  return unhelped;
}

TEST(SpotRun, OnDemandPaysForItsStartAndItsWork) {
  const SpotTrace trace = spot_trace("0000000000");
  const SpotRun done =
      run(SpotPolicyKind::kOnDemand, trace, spot_job(minutes(35), minutes(100), minutes(15)));
  EXPECT_TRUE(done.in_time);
  EXPECT_EQ(done.took, minutes(50));
  EXPECT_EQ(done.on_demand, minutes(50));
  EXPECT_EQ(done.cost, Micros(3'000'000));
  EXPECT_EQ(done.starts, 1U);
}

TEST(SpotRun, GreedyWaitsUntilTheLastCall) {
  // 30 minutes and a start of 10 fit four looks; the deadline is after ten.
  const SpotJob job = spot_job(minutes(30), minutes(100), minutes(10));
  const SpotRun late = run(SpotPolicyKind::kGreedy, spot_trace("0000000000"), job);
  EXPECT_TRUE(late.in_time);
  EXPECT_EQ(late.took, minutes(100));
  EXPECT_EQ(late.on_demand, minutes(40));
  // Two looks of spot do ten minutes of work; the first start was paid for nothing else.
  const SpotRun some = run(SpotPolicyKind::kGreedy, spot_trace("0110000000"), job);
  EXPECT_EQ(some.spot, minutes(20));
  EXPECT_EQ(some.on_demand, minutes(30));
  EXPECT_TRUE(some.in_time);
}

TEST(SpotRun, SpotThatLastsIsNeverLeft) {
  const SpotJob job = spot_job(minutes(60), minutes(100), minutes(10));
  for (const SpotPolicyKind kind :
       {SpotPolicyKind::kGreedy, SpotPolicyKind::kUniformProgress, SpotPolicyKind::kFallow}) {
    const SpotRun done = run(kind, spot_trace("1111111111"), job);
    EXPECT_TRUE(done.in_time) << name_of(kind);
    EXPECT_EQ(done.cost, price_of(Micros(1'200'000), minutes(70))) << name_of(kind);
    EXPECT_EQ(done.starts, 1U);
  }
}

TEST(SpotRun, UniformProgressKeepsPaceAndLeavesOnDemandOnlyAhead) {
  // Without spot, work that is due is done on on_demand, which is then kept.
  const SpotJob job = spot_job(minutes(100), minutes(300), minutes(10));
  const SpotRun none = run(SpotPolicyKind::kUniformProgress, spot_trace(std::string(30, '0')), job);
  EXPECT_TRUE(none.in_time);
  EXPECT_EQ(none.took, minutes(120));  // it waits one look: at the very first nothing is due
  // Spot comes at once after on_demand has begun: what is due in 20 minutes is not done yet.
  SpotTrace trace = spot_trace("00" + std::string(28, '1'));
  const SpotRun behind = run(SpotPolicyKind::kUniformProgress, trace, job);
  EXPECT_GT(behind.on_demand, minutes(20));
  EXPECT_GT(behind.spot, minutes(60));
  EXPECT_EQ(behind.starts, 2U);
}

TEST(SpotRun, TheOptimumIsFoundByHand) {
  const SpotJob tight = spot_job(minutes(50), minutes(80), minutes(10));
  // Spot is away for two looks. 10 + 20 minutes of spot, then 10 + 30 of it: two starts, two looks
  // waited, 70 of work and starts.
  EXPECT_EQ(least(spot_trace("11100111111"), spot_job(minutes(50), minutes(90), minutes(10))),
            price_of(Micros(1'200'000), minutes(70)));
  // With ten minutes less there is no time to wait: on_demand does ten minutes in the gap, three
  // starts in all.
  const SpotTrace gap = spot_trace("11100111");
  EXPECT_EQ(least(gap, tight), price_of(Micros(1'200'000), minutes(30 + 3 * 20 + 30)));
  // Never worse than any policy.
  for (const SpotPolicyKind kind : kSpotPolicyKinds) {
    const SpotRun done = run(kind, gap, tight);
    EXPECT_TRUE(done.in_time);
    EXPECT_GE(done.cost, least(gap, tight)) << name_of(kind);
  }
}

TEST(SpotRun, NobodyIsLateAndNobodyBeatsTheOptimum) {
  for (std::uint64_t seed = 1; seed <= 40 / kShorter; ++seed) {
    const SpotTrace trace = heavy_tailed_trace(seed, 400);
    for (const int deadline : {21, 25, 40, 60}) {
      SpotJob job = spot_job(hours(20), hours(deadline), minutes(12));
      job.begin = seed;
      const Micros floor = least(trace, job);
      for (const SpotPolicyKind kind : kSpotPolicyKinds) {
        const SpotRun done = run(kind, trace, job);
        EXPECT_TRUE(done.in_time) << name_of(kind) << " seed " << seed;
        EXPECT_GE(done.cost, floor) << name_of(kind) << " seed " << seed;
        EXPECT_EQ(done.cost, price_of(Micros(1'200'000), done.spot) +
                                 price_of(Micros(3'600'000), done.on_demand));
      }
    }
  }
}

TEST(SpotRun, PricesOfTheMomentArePaid) {
  SpotTrace trace = spot_trace("111111");
  trace.spot_hour[1] = Micros(600'000);
  const SpotRun done =
      run(SpotPolicyKind::kGreedy, trace, spot_job(minutes(20), minutes(60), Duration()));
  EXPECT_EQ(done.cost, price_of(Micros(1'200'000), minutes(10)) + Micros(100'000));
  EXPECT_EQ(least(trace, spot_job(minutes(20), minutes(60), Duration())), done.cost);
}

TEST(SpotRunDeath, AJobLongerThanItsTrace) {
  const SpotTrace trace = spot_trace("111");
  const SpotJob job = spot_job(minutes(20), minutes(31), minutes(5));
  EXPECT_DEATH(run(SpotPolicyKind::kGreedy, trace, job), "longer");
}

}  // namespace
}  // namespace fallow::sim
