#include "core/spot_history.h"

#include <gtest/gtest.h>

namespace fallow::core {
namespace {

std::int64_t width_us(std::size_t bucket) {
  return (age_from(bucket + 1) - age_from(bucket)).value;
}

TEST(SpotHistory, AgesDouble) {
  EXPECT_EQ(bucket_of(Duration()), 0U);
  EXPECT_EQ(bucket_of(seconds(64) - Duration(1)), 0U);
  EXPECT_EQ(bucket_of(seconds(64)), 1U);
  EXPECT_EQ(bucket_of(seconds(128)), 2U);
  EXPECT_EQ(bucket_of(hours(24 * 365)), kAgeBuckets - 1);
  EXPECT_EQ(age_from(kAgeBuckets - 1), seconds(64 << (kAgeBuckets - 2)));
}

TEST(SpotHistory, WhatWasNeverWatchedIsAsLikelyAsNotToLastTwiceAsLong) {
  const Hazards hazards = SpotHistory().hazards(true);
  for (std::size_t i = 0; i + 1 < kAgeBuckets; ++i) {
    EXPECT_EQ(hazards[i].ends, 1);
    EXPECT_EQ(hazards[i].watched_us, width_us(i) * 3 / 2);
  }
  EXPECT_EQ(hazards.back().ends, 1);
  EXPECT_GT(hazards.back().watched_us, hazards[kAgeBuckets - 2].watched_us);
}

TEST(SpotHistory, ASpanCountsInEveryAgeItPassed) {
  SpotHistory history;
  history.note(true, Time{1'000});
  history.note(true, Time{1'000} + seconds(50));
  EXPECT_EQ(history.age(Time{1'000} + seconds(70)), seconds(70));
  history.note(false, Time{1'000} + seconds(200));
  EXPECT_EQ(history.age(Time{1'000} + seconds(200)), Duration());
  const Hazards up = history.hazards(true);
  const Hazards prior = SpotHistory().hazards(true);
  const std::int64_t expected_s[] = {64, 64, 72};
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(up[i].watched_us - prior[i].watched_us, seconds(expected_s[i]).value) << i;
    EXPECT_EQ(up[i].ends, i == 2 ? 2 : 1) << i;
  }
  EXPECT_EQ(up[3].watched_us, prior[3].watched_us);
  EXPECT_EQ(history.hazards(false)[0].ends, 1);
}

TEST(SpotHistory, AnEndOnABordersAgeBelongsToTheYoungerBucket) {
  SpotHistory history;
  history.note(false, Time{1});
  history.note(true, Time{1} + seconds(64));
  EXPECT_EQ(history.hazards(false)[0].ends, 2);
  EXPECT_EQ(history.hazards(false)[1].ends, 1);
}

TEST(SpotHistory, TwoNotesAtOneMomentAreASpanOfNoLength) {
  SpotHistory history;
  history.note(false, Time{1});
  history.note(true, Time{1});
  EXPECT_EQ(history.hazards(false)[0].ends, 2);
  EXPECT_EQ(history.hazards(false)[0].watched_us, SpotHistory().hazards(false)[0].watched_us);
}

TEST(SpotHistory, YearsFallIntoTheLastBucket) {
  SpotHistory history;
  history.note(true, Time{1});
  history.note(false, Time{1} + hours(24 * 3'650));
  EXPECT_EQ(history.hazards(true).back().ends, 2);
  EXPECT_GT(history.hazards(true).back().watched_us, hours(24 * 3'600).value);
}

TEST(SpotHistoryDeath, TimeGoesForward) {
  SpotHistory history;
  history.note(true, Time{10});
  EXPECT_DEATH(history.note(true, Time{9}), "noted");
}

}  // namespace
}  // namespace fallow::core
