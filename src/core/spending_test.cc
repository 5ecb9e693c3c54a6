#include "core/spending.h"

#include <gtest/gtest.h>

#include <limits>

namespace fallow::core {
namespace {

Time day(std::int64_t number, Duration into = Duration(0)) {
  return Time{0} + hours(24 * number) + into;
}

TEST(Spending, CountsTodayAndThe29DaysBefore) {
  Account account;
  spend(account, day(100, hours(23)), Micros(5));
  spend(account, day(100, hours(24) - Duration(1)), Micros(2));
  spend(account, day(101), Micros(10));
  EXPECT_EQ(account.spent.size(), 2U);
  EXPECT_EQ(spent_lately(account, day(101)), Micros(17));
  EXPECT_EQ(spent_lately(account, day(130) - Duration(1)), Micros(17));
  EXPECT_EQ(spent_lately(account, day(130)), Micros(10));
  EXPECT_EQ(spent_lately(account, day(131)), Micros(0));
}

TEST(Spending, KeepsNoMoreDaysThanCount) {
  Account account;
  for (std::int64_t i = 0; i < 100; ++i) spend(account, day(i), Micros(1));
  EXPECT_EQ(account.spent.size(), 30U);
  EXPECT_EQ(spent_lately(account, day(99)), Micros(30));
}

TEST(Spending, WhatComesBackIsTakenOffButNeverBelowNothing) {
  Account account;
  spend(account, day(1), Micros(50));
  spend(account, day(2), Micros(-20));
  EXPECT_EQ(spent_lately(account, day(2)), Micros(30));
  EXPECT_EQ(spent_lately(account, day(31)), Micros(0));
}

TEST(Spending, TheLargestSumsAreKeptInRange) {
  Account account;
  const Micros most(std::numeric_limits<std::int64_t>::max());
  for (std::int64_t i = 0; i < 3; ++i) {
    spend(account, day(i), most);
    spend(account, day(i), most);
  }
  EXPECT_EQ(spent_lately(account, day(2)), most);
}

TEST(Spending, TheHighestStepReachedCounts) {
  v1::Policy policy;
  EXPECT_EQ(volume_basis_points(policy, Micros(1'000)), 0U);
  for (const std::uint32_t i : {1U, 2U, 3U}) {
    v1::VolumeDiscount& step = *policy.add_volume_discounts();
    step.set_spent_micros_min(i * 100);
    step.set_fee_basis_points(i * 1'000);
  }
  EXPECT_EQ(volume_basis_points(policy, Micros(99)), 0U);
  EXPECT_EQ(volume_basis_points(policy, Micros(100)), 1'000U);
  EXPECT_EQ(volume_basis_points(policy, Micros(299)), 2'000U);
  EXPECT_EQ(volume_basis_points(policy, Micros(9'999)), 3'000U);
}

}  // namespace
}  // namespace fallow::core
