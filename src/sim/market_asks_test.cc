#include "sim/market_asks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/market_inputs_test.h"

namespace fallow::sim {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr Time kAsked = Time{} + hours(1);

// For two hours on the reference card, asked for so long after the job came.
v1::SubmitOrder order_for(MarketPolicy policy, v1::Tier tier, Duration after = {}) {
  const MarketInputs inputs = some_inputs();
  const MarketFleet fleet(inputs.book, inputs.home, inputs.verified, 40, 1);
  MarketRules rules;
  rules.policy = policy;
  const MarketAsks asks(rules, fleet);
  const Job job{kAsked, hours(2), 1, 0, tier, 60};
  const core::Machine nothing_is_quoted;
  return asks.order(job, Piece{0, 1, hours(2), kAsked}, kAsked + after, nothing_is_quoted);
}

TEST(MarketAsks, FirstFitAsksForTheTierAndBidsForSpot) {
  const v1::SubmitOrder spot = order_for(MarketPolicy::kFirstFit, v1::SPOT);
  EXPECT_EQ(spot.requirements().tier(), v1::SPOT);
  EXPECT_EQ(spot.requirements().objective(), v1::CHEAPEST);
  EXPECT_GT(spot.requirements().price_per_hour_micros_max(), 0);
  EXPECT_EQ(spot.deadline_after_us(), 0);
  EXPECT_THAT(spot.requirements().query(), Not(HasSubstr("region")));
  const v1::SubmitOrder on_demand = order_for(MarketPolicy::kFirstFit, v1::ON_DEMAND);
  EXPECT_EQ(on_demand.requirements().tier(), v1::ON_DEMAND);
  EXPECT_EQ(on_demand.requirements().price_per_hour_micros_max(), 0);
}

TEST(MarketAsks, ATermIsForCardsThatAreFastEnoughForIt) {
  const v1::Requirements reserved = order_for(MarketPolicy::kFirstFit, v1::RESERVED).requirements();
  EXPECT_EQ(reserved.tier(), v1::RESERVED);
  EXPECT_THAT(reserved.query(), HasSubstr("rtx_4090"));
  EXPECT_THAT(reserved.query(), Not(HasSubstr("rtx_3060")));  // the reference is faster
  EXPECT_NEAR(static_cast<double>(reserved.duration_us()), 7'200e6, 2e3);
  // Any card may take the others, the slowest included.
  const v1::Requirements on_demand =
      order_for(MarketPolicy::kFirstFit, v1::ON_DEMAND).requirements();
  EXPECT_THAT(on_demand.query(), Not(HasSubstr("gpu_name")));
  EXPECT_GT(on_demand.duration_us(), 2 * reserved.duration_us());
}

TEST(MarketAsks, FallowNamesTheDeadlineInsteadOfABidWhileThereIsTime) {
  const v1::SubmitOrder early = order_for(MarketPolicy::kFallow, v1::SPOT);
  EXPECT_EQ(early.requirements().tier(), v1::ON_DEMAND);
  EXPECT_EQ(early.requirements().objective(), v1::COST_TO_COMPLETE);
  EXPECT_EQ(early.requirements().price_per_hour_micros_max(), 0);
  EXPECT_EQ(early.deadline_after_us(), (hours(6) + minutes(2)).value);
  EXPECT_EQ(early.restart_us(), minutes(32).value);
  EXPECT_GE(early.deadline_after_us(), early.requirements().duration_us() + early.restart_us());
  const v1::SubmitOrder late = order_for(MarketPolicy::kFallow, v1::SPOT, hours(4));
  EXPECT_EQ(late.requirements().tier(), v1::ON_DEMAND);
  EXPECT_EQ(late.deadline_after_us(), 0);
  EXPECT_THAT(late.requirements().query(), HasSubstr("region=verified"));
}

TEST(MarketAsks, OnDemandIsOfVerifiedHosts) {
  const v1::SubmitOrder order = order_for(MarketPolicy::kOnDemand, v1::ON_DEMAND);
  EXPECT_EQ(order.requirements().tier(), v1::ON_DEMAND);
  EXPECT_THAT(order.requirements().query(), HasSubstr("region=verified"));
}

}  // namespace
}  // namespace fallow::sim
