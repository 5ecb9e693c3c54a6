#include "base/money.h"

#include <gtest/gtest.h>

#include <limits>

namespace fallow {
namespace {

TEST(Money, ParsesWhatPeopleWrite) {
  EXPECT_EQ(parse_money("10")->value, 10'000'000);
  EXPECT_EQ(parse_money("0.42")->value, 420'000);
  EXPECT_EQ(parse_money("-1.000001")->value, -1'000'001);
  EXPECT_EQ(parse_money("-0.5")->value, -500'000);
}

TEST(Money, RefusesWhatIsNotMoney) {
  for (const char* text : {"", "-", ".", "1.", ".5", "1.0000001", "1e3", " 1", "1 ", "+1", "0x1",
                           "1,5", "9000000000000", "99999999999999999999999", "1.2.3", "1.-2"}) {
    const auto amount = parse_money(text);
    ASSERT_FALSE(amount) << text;
    EXPECT_EQ(amount.error().code, ErrorCode::kInvalid) << text;
  }
}

TEST(Money, FormatsShortestFromTwoDecimals) {
  EXPECT_EQ(format_money(Micros(10'000'000)), "10.00");
  EXPECT_EQ(format_money(Micros(123)), "0.000123");
  EXPECT_EQ(format_money(Micros(-420'000)), "-0.42");
  EXPECT_EQ(format_money(Micros(std::numeric_limits<std::int64_t>::min())),
            "-9223372036854.775808");
}

TEST(Money, EveryAmountSurvivesTheRoundTrip) {
  for (std::int64_t micros : {0L, 1L, -1L, 999'999L, 1'000'000L, 8'999'999'999'999'999'999L}) {
    EXPECT_EQ(parse_money(format_money(Micros(micros)))->value, micros);
  }
}

TEST(Money, PriceIsFlooredAndDoesNotOverflow) {
  EXPECT_EQ(price_of(Micros(420'000), hours(1)).value, 420'000);
  EXPECT_EQ(price_of(Micros(1), seconds(3'599)).value, 0);
  EXPECT_EQ(price_of(Micros(400'000), seconds(1)).value, 111);
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(price_of(Micros(kMax), Duration(kMax)).value, kMax);
  EXPECT_EQ(fraction_of(Micros(kMax), 500, 10'000).value, kMax / 20);
}

// Products of 63 bits and of more are divided in two ways.
TEST(Money, APortionIsTheSameOnBothSidesOf63Bits) {
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  for (const std::int64_t parts : {3L, 9'999L, 1'000'003L}) {
    for (std::int64_t amount = kMax / parts - 2; amount <= kMax / parts + 2; ++amount) {
      const Wide exact = Wide{amount} * parts / 10'000;
      EXPECT_EQ(fraction_of(Micros(amount), parts, 10'000).value, static_cast<std::int64_t>(exact));
      EXPECT_EQ(price_of(Micros(amount), Duration(parts)).value,
                static_cast<std::int64_t>(Wide{amount} * parts / kHour.value));
    }
  }
}

TEST(MoneyDeathTest, ANegativePriceIsABug) {
  EXPECT_DEATH((void)price_of(Micros(-1), hours(1)), "CHECK failed");
}

}  // namespace
}  // namespace fallow
