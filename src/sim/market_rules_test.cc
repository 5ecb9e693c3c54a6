#include "sim/market_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fallow::sim {
namespace {

TEST(MarketRules, PoliciesAndTiersHaveNames) {
  for (const MarketPolicy policy : kMarketPolicies) {
    EXPECT_EQ(market_policy_named(name_of(policy)), policy);
  }
  EXPECT_FALSE(market_policy_named("cheapest"));
  EXPECT_EQ(market_tier_name(v1::RESERVED), "reserved");
  EXPECT_EQ(market_tier_name(v1::ON_DEMAND), "on_demand");
  EXPECT_EQ(market_tier_name(v1::SPOT), "spot");
  for (const v1::Tier tier : kMarketTiers) EXPECT_EQ(kMarketTiers[place_of(tier)], tier);
}

TEST(MarketRules, TiersAreNoMoreThanAllJobs) {
  MarketRules rules;
  rules.spot_pct = 70;
  rules.reserved_pct = 30;
  EXPECT_TRUE(check_rules(rules));
  rules.reserved_pct = 31;
  const Status more = check_rules(rules);
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().code, ErrorCode::kInvalid);
  EXPECT_THAT(more.error().message, testing::HasSubstr("at most 100 together"));
  rules.spot_pct = 4'000'000'000;
  EXPECT_FALSE(check_rules(rules));
}

}  // namespace
}  // namespace fallow::sim
