#include "cli/energy_floor.h"

#include <gtest/gtest.h>

namespace fallow::cli {
namespace {

constexpr std::uint32_t kFeeOfTest = 500;

v1::SetOfferRequest terms_of(const std::string& price) {
  v1::SetOfferRequest terms;
  terms.set_price_per_hour(price);
  return terms;
}

TEST(EnergyFloor, IsWhatTheDeviceTakes) {
  EXPECT_EQ(electricity_per_hour("0.30", 320).value(), Micros(96'000));
  EXPECT_EQ(electricity_per_hour("0", 320).value(), Micros(0));
  EXPECT_EQ(electricity_per_hour("-0.30", 320).error().code, ErrorCode::kInvalid);
  EXPECT_FALSE(electricity_per_hour("dear", 320));
}

// 0.095 is what is left of 0.10 behind a fee of 5 %.
TEST(EnergyFloor, AFixedPriceIsMoreBehindTheFee) {
  v1::SetOfferRequest terms = terms_of("0.100000");
  const Status refused = pay_electricity(Micros(95'000), kFeeOfTest, terms);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("ask for 0.100001 at least"), std::string::npos)
      << refused.error().message;
  terms.set_price_per_hour("0.100001");
  EXPECT_TRUE(pay_electricity(Micros(95'000), kFeeOfTest, terms));
  EXPECT_EQ(terms.price_per_hour(), "0.100001");
  EXPECT_EQ(terms.price_floor_per_hour(), "");
  EXPECT_EQ(terms.spot_floor_per_hour(), "") << "it takes no spot";
}

TEST(EnergyFloor, APriceThatFollowsComesDownNoFurther) {
  v1::SetOfferRequest terms = terms_of("");
  terms.set_price_floor_per_hour("0.02");
  terms.set_price_ceiling_per_hour("0.50");
  EXPECT_TRUE(pay_electricity(Micros(95'000), kFeeOfTest, terms));
  EXPECT_EQ(terms.price_floor_per_hour(), "0.100001");
  terms.set_price_floor_per_hour("0.20");
  EXPECT_TRUE(pay_electricity(Micros(95'000), kFeeOfTest, terms));
  EXPECT_EQ(terms.price_floor_per_hour(), "0.20") << "what is higher stays";
  terms.set_price_ceiling_per_hour("0.05");
  EXPECT_FALSE(pay_electricity(Micros(95'000), kFeeOfTest, terms));
}

TEST(EnergyFloor, SpotAndTheLongestTermPayItToo) {
  v1::SetOfferRequest terms = terms_of("0.15");
  terms.set_spot_floor_per_hour("0.01");
  EXPECT_TRUE(pay_electricity(Micros(95'000), kFeeOfTest, terms));
  EXPECT_EQ(terms.spot_floor_per_hour(), "0.100001");
  terms.mutable_discounts()->set_month_basis_points(5'000);
  EXPECT_FALSE(pay_electricity(Micros(95'000), kFeeOfTest, terms));
  terms.set_price_per_hour("0.21");
  EXPECT_TRUE(pay_electricity(Micros(95'000), kFeeOfTest, terms));
  EXPECT_EQ(terms.spot_floor_per_hour(), "0.100001") << "no discount is for spot";
  EXPECT_FALSE(pay_electricity(Micros(95'000), 10'000, terms)) << "the fee is all of it";
}

}  // namespace
}  // namespace fallow::cli
