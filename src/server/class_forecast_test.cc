#include "server/class_forecast.h"

#include <gtest/gtest.h>

namespace fallow::server {
namespace {

constexpr std::int64_t kFirst = 480'000;
constexpr std::int64_t kHourOfDevice = 3'600'000'000;  // thousandths times milliseconds

// Ten devices; by day eight are leased and three waited for, by night two and none.
std::vector<ClassHour> two_weeks() {
  std::vector<ClassHour> hours;
  for (std::int64_t hour = kFirst; hour < kFirst + 2 * kWeekHours; ++hour) {
    const bool day = hour % 24 >= 8 && hour % 24 < 20;
    hours.push_back({hour, 3'600'000, 10 * kHourOfDevice, (day ? 8 : 2) * kHourOfDevice,
                     (day ? 3 : 0) * kHourOfDevice});
  }
  return hours;
}

TEST(ClassForecast, SaysWhatIsOfferedFreeAndAskedFor) {
  const auto hours = two_weeks();
  const std::int64_t now = kFirst + 2 * kWeekHours;  // midnight
  const auto forecast = ClassForecast::learn(hours, now);
  ASSERT_TRUE(forecast);
  EXPECT_EQ(forecast->days_known(), 14U);
  const HourOutlook night = forecast->at(now + 3);
  EXPECT_NEAR(night.offered.p50, 10, 0.01);
  EXPECT_NEAR(night.free_share.p50, 0.8, 0.05);
  EXPECT_NEAR(night.demand.p50, 2, 0.3);
  EXPECT_NEAR(night.use, 0.2, 0.05);
  const HourOutlook day = forecast->at(now + 12);
  EXPECT_NEAR(day.free_share.p50, 0.2, 0.05);
  EXPECT_NEAR(day.demand.p50, 11, 0.3);
  EXPECT_NEAR(day.use, 1.1, 0.05) << "more is asked for than there is";
  EXPECT_NEAR(*expected_use(hours, now, now + 12), day.use, 0);
}

TEST(ClassForecast, TheHourThatRunsIsNotLearnedFrom) {
  auto hours = two_weeks();
  const std::int64_t now = kFirst + 2 * kWeekHours;
  const auto before = expected_use(hours, now, now + 1);
  hours.push_back({now, 60'000, kHourOfDevice, kHourOfDevice, 0});
  EXPECT_EQ(expected_use(hours, now, now + 1), before);
}

TEST(ClassForecast, WhatIsOlderThanTwelveWeeksCountsForNothing) {
  auto hours = two_weeks();
  const std::int64_t now = kFirst + kForecastWindowHours + kWeekHours;
  EXPECT_EQ(series_of(hours, now, ClassFigure::kUse).values.size(),
            static_cast<std::size_t>(kForecastWindowHours));
  EXPECT_TRUE(series_of(hours, now + kWeekHours, ClassFigure::kUse).values.empty());
  EXPECT_FALSE(ClassForecast::learn(hours, now + kWeekHours));
}

TEST(ClassForecast, HoursWithoutOffersOfferNothingAndSayNothingOfUse) {
  auto hours = two_weeks();
  hours.erase(hours.begin() + 100, hours.begin() + 200);
  const std::int64_t now = kFirst + 2 * kWeekHours;
  const HourSeries offered = series_of(hours, now, ClassFigure::kOffered);
  const HourSeries use = series_of(hours, now, ClassFigure::kUse);
  ASSERT_EQ(offered.values.size(), static_cast<std::size_t>(2 * kWeekHours));
  EXPECT_EQ(offered.values[150], 0);
  EXPECT_FALSE(use.values[150]);
  EXPECT_TRUE(use.values[250]);
}

TEST(ClassForecast, AnHourThatWasOfferedInPartCountsInPart) {
  const std::vector<ClassHour> hours{{kFirst, 300'000, kHourOfDevice / 12, kHourOfDevice / 24, 0}};
  const auto value = [&](ClassFigure figure) {
    return *series_of(hours, kFirst + 1, figure).values.at(0);
  };
  EXPECT_DOUBLE_EQ(value(ClassFigure::kOffered), 1.0 / 12);
  EXPECT_DOUBLE_EQ(value(ClassFigure::kDemand), 1.0 / 24);
  EXPECT_DOUBLE_EQ(value(ClassFigure::kUse), 0.5);
}

TEST(ClassForecast, NeedsTwoDays) {
  auto hours = two_weeks();
  EXPECT_FALSE(ClassForecast::learn({}, kFirst));
  EXPECT_FALSE(ClassForecast::learn(hours, kFirst));
  EXPECT_FALSE(ClassForecast::learn(hours, kFirst + 47));
  EXPECT_TRUE(ClassForecast::learn(hours, kFirst + 48));
}

}  // namespace
}  // namespace fallow::server
