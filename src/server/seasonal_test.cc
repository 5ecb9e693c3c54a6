#include "server/seasonal.h"

#include <gtest/gtest.h>

#include <cmath>

namespace fallow::server {
namespace {

// Whole numbers from 0 to 99, as if by chance.
double noise(std::int64_t hour) {
  const auto x = static_cast<std::uint64_t>(hour) * 0x9E3779B97F4A7C15ULL;
  return static_cast<double>((x >> 33U) % 100);
}

template <class Value>
HourSeries series_of(std::int64_t hours, Value&& value, std::int64_t first = 400'000) {
  HourSeries series;
  series.first_hour = first;
  series.most = 1e6;
  for (std::int64_t hour = first; hour < first + hours; ++hour) {
    series.values.push_back(value(hour));
  }
  return series;
}

double weekly(std::int64_t hour) {
  const std::int64_t of_week = hour % kWeekHours;
  return of_week < 120 && of_week % 24 >= 8 ? 80 : 20;
}

TEST(Seasonal, TwoDaysAreTheLeast) {
  EXPECT_FALSE(Seasonal::fit(series_of(47, noise)));
  EXPECT_TRUE(Seasonal::fit(series_of(48, noise)));
  const auto gaps = [](std::int64_t hour) {
    return hour % 2 == 0 ? std::optional(5.0) : std::nullopt;
  };
  EXPECT_FALSE(Seasonal::fit(series_of(94, gaps)));
  EXPECT_TRUE(Seasonal::fit(series_of(96, gaps)));
  EXPECT_FALSE(Seasonal::fit({}));
}

TEST(Seasonal, LearnsTheShapeOfTheWeek) {
  const auto fit = Seasonal::fit(
      series_of(6 * kWeekHours, [](std::int64_t hour) { return weekly(hour) + noise(hour) / 10; }));
  ASSERT_TRUE(fit);
  const std::int64_t end = 400'000 + 6 * kWeekHours;
  for (std::int64_t ahead = 1; ahead <= kWeekHours; ++ahead) {
    const Band band = fit->ahead(ahead);
    EXPECT_NEAR(band.p50, weekly(end - 1 + ahead) + 5, 4) << ahead;
    EXPECT_LE(band.p10, band.p50);
    EXPECT_LE(band.p50, band.p90);
  }
}

TEST(Seasonal, GivesNoShapeToWhatHasNone) {
  const auto fit = Seasonal::fit(series_of(6 * kWeekHours, noise));
  ASSERT_TRUE(fit);
  double worst = 0;
  for (std::int64_t hour = 0; hour < kWeekHours; ++hour) {
    worst = std::max(worst, std::abs(fit->usual(hour) - 49.5));
  }
  // The mean of six of them strays by 12 from that of all, as a rule, and by 30 at the worst.
  EXPECT_LT(worst, 12) << "drawn to the mean";
  const Band band = fit->ahead(5);
  EXPECT_NEAR(band.p10, 10, 6);
  EXPECT_NEAR(band.p50, 50, 10);
  EXPECT_NEAR(band.p90, 90, 6);
}

TEST(Seasonal, WhatIsUnusualNowFadesHourByHour) {
  // A level that holds for two days at a time.
  const auto steps = [](std::int64_t hour) { return noise(hour / 48) + noise(hour) / 50; };
  HourSeries series = series_of(8 * kWeekHours, steps);
  for (std::size_t i = series.values.size() - 20; i < series.values.size(); ++i) {
    series.values[i] = 200;
  }
  const auto fit = Seasonal::fit(series);
  ASSERT_TRUE(fit);
  const double next = fit->ahead(1).p50;
  const double day = fit->ahead(24).p50;
  const double week = fit->ahead(168).p50;
  EXPECT_GT(next, 180);
  EXPECT_GT(next, day + 10);
  EXPECT_GT(day, week + 10);
}

TEST(Seasonal, WhatCannotBeIsNotExpected) {
  HourSeries series =
      series_of(3 * kWeekHours, [](std::int64_t hour) { return hour % 7 == 0 ? 0.0 : 1.0; });
  series.most = 1;
  const auto fit = Seasonal::fit(series);
  ASSERT_TRUE(fit);
  for (std::int64_t ahead = 1; ahead <= 2 * kWeekHours; ++ahead) {
    const Band band = fit->ahead(ahead);
    EXPECT_GE(band.p10, 0);
    EXPECT_LE(band.p90, 1);
  }
}

TEST(Seasonal, AConstantIsExpectedToStay) {
  const auto fit = Seasonal::fit(series_of(200, [](std::int64_t) { return 3.0; }));
  ASSERT_TRUE(fit);
  for (const std::int64_t ahead : {1, 168}) {
    const Band band = fit->ahead(ahead);
    EXPECT_NEAR(band.p10, 3, 1e-9);
    EXPECT_NEAR(band.p50, 3, 1e-9);
    EXPECT_NEAR(band.p90, 3, 1e-9);
  }
}

TEST(Seasonal, HoursThatAreNotKnownAreNoZeros) {
  const auto fit = Seasonal::fit(series_of(4 * kWeekHours, [](std::int64_t hour) {
    return hour % 24 < 12 ? std::optional(10.0 + noise(hour) / 100) : std::nullopt;
  }));
  ASSERT_TRUE(fit);
  EXPECT_NEAR(fit->ahead(3).p50, 10.5, 1);
  EXPECT_NEAR(fit->ahead(15).p50, 10.5, 1);
}

}  // namespace
}  // namespace fallow::server
