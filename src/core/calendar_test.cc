#include "core/calendar.h"

#include <gtest/gtest.h>

namespace fallow::core {
namespace {

Time at(std::int64_t unix_seconds) { return Time{unix_seconds * 1'000'000}; }

TEST(Calendar, KnowsItsMonths) {
  EXPECT_EQ(month_of(at(0)), 0);
  EXPECT_EQ(month_of(at(31 * 86'400 - 1)), 0);
  EXPECT_EQ(month_of(at(31 * 86'400)), 1);
  EXPECT_EQ(month_of(at(951'782'399)), 30 * 12 + 1);    // 2000-02-28 23:59:59
  EXPECT_EQ(month_of(at(951'868'799)), 30 * 12 + 1);    // 2000-02-29: 2000 was a leap year
  EXPECT_EQ(month_of(at(951'868'800)), 30 * 12 + 2);    // 2000-03-01
  EXPECT_EQ(month_of(at(1'709'251'199)), 54 * 12 + 1);  // 2024-02-29 23:59:59
  EXPECT_EQ(month_of(at(1'709'251'200)), 54 * 12 + 2);
  EXPECT_EQ(month_of(at(4'107'542'399)), 130 * 12 + 1);  // 2100-02-28: no leap year
  EXPECT_EQ(month_of(at(4'107'542'400)), 130 * 12 + 2);
  EXPECT_EQ(month_of(at(1'767'225'599)), 55 * 12 + 11);  // 2025-12-31 23:59:59
  EXPECT_EQ(month_of(at(1'767'225'600)), 56 * 12);
}

TEST(Calendar, EveryMonthHasItsDays) {
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  std::int64_t day = 0;
  for (std::int32_t month = 0; month < 12 * 500; ++month) {
    const int year = 1'970 + month / 12;
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    const int days = kDays[month % 12] + (leap && month % 12 == 1 ? 1 : 0);
    ASSERT_EQ(month_of(at(day * 86'400)), month);
    day += days;
    ASSERT_EQ(month_of(at(day * 86'400 - 1)), month);
  }
}

}  // namespace
}  // namespace fallow::core
