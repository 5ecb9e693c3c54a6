#include "agent/tries.h"

#include <gtest/gtest.h>

namespace fallow::agent {
namespace {

constexpr Time kTriesBegin{1'000'000};

Time tries_at(Duration after) { return kTriesBegin + after; }

TEST(TriesTest, PausesGrowAndTheTriesEnd) {
  Tries tries(minutes(1), seconds(2), seconds(5));
  EXPECT_EQ(tries.failed(tries_at(seconds(0)), tries_at(seconds(1))), milliseconds(250));
  EXPECT_EQ(tries.failed(tries_at(seconds(2)), tries_at(seconds(3))), milliseconds(500));
  EXPECT_EQ(tries.failed(tries_at(seconds(4)), tries_at(seconds(5))), seconds(1));
  EXPECT_EQ(tries.failed(tries_at(seconds(6)), tries_at(seconds(7))), seconds(2));
  EXPECT_EQ(tries.failed(tries_at(seconds(59)), tries_at(seconds(60))), seconds(2));
  EXPECT_EQ(tries.failed(tries_at(seconds(60)), tries_at(seconds(61))), std::nullopt)
      << "a minute after the first failure";
}

// An upload of ten minutes that a restart of the market cuts off is tried again like any other.
TEST(TriesTest, WhatStoodForLongHasAllItsTriesAfterIt) {
  Tries tries(minutes(1), seconds(2), seconds(5));
  EXPECT_EQ(tries.failed(tries_at(minutes(0)), tries_at(minutes(10))), milliseconds(250));
  EXPECT_EQ(tries.failed(tries_at(minutes(10)), tries_at(minutes(10) + seconds(1))),
            milliseconds(500));
  EXPECT_EQ(tries.failed(tries_at(minutes(10) + seconds(2)), tries_at(minutes(20))),
            milliseconds(250));
  EXPECT_EQ(tries.failed(tries_at(minutes(21) - seconds(1)), tries_at(minutes(21))), std::nullopt);
}

TEST(TriesTest, LongTriesThatBringNothingThroughMayCountAsShortOnes) {
  Tries tries(minutes(10), minutes(1), std::nullopt);
  EXPECT_EQ(tries.failed(tries_at(minutes(0)), tries_at(minutes(4))), milliseconds(250));
  EXPECT_EQ(tries.failed(tries_at(minutes(5)), tries_at(minutes(9))), milliseconds(500));
  EXPECT_EQ(tries.failed(tries_at(minutes(10)), tries_at(minutes(14))), std::nullopt);
}

}  // namespace
}  // namespace fallow::agent
