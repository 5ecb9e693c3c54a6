#include "sim/forecast_lab.h"

#include <gtest/gtest.h>

#include "sim/spot_traces_test.h"

namespace fallow::sim {
namespace {

double chance_of(std::int64_t hour) {
  const auto x = static_cast<std::uint64_t>(hour) * 0x9E3779B97F4A7C15ULL;
  return static_cast<double>((x >> 33U) % 100);
}

template <class Value>
NamedSeries foretold(std::int64_t weeks, Value&& value) {
  NamedSeries named{"g", "s", {}};
  named.series.most = 1e6;
  for (std::int64_t hour = 0; hour < weeks * server::kWeekHours; ++hour) {
    named.series.values.push_back(value(hour));
  }
  return named;
}

const ForecastRow& row(const ForecastLabReport& report, std::int64_t ahead) {
  for (const ForecastRow& row : report.rows) {
    if (row.ahead == ahead) return row;
  }
  ADD_FAILURE() << "nothing was foretold " << ahead << " hours ahead";
  return report.rows.front();
}

TEST(ForecastLab, AWeeklyShapeIsForetoldBetterThanByAnyNaiveWay) {
  const auto report = run_forecast_lab({foretold(6,
                                                 [](std::int64_t hour) {
                                                   const bool busy =
                                                       hour % 168 < 120 && hour % 24 >= 8;
                                                   return (busy ? 200 : 50) + chance_of(hour);
                                                 })},
                                       1);
  for (const std::int64_t ahead : kForecastLeads) {
    const auto& methods = row(report, ahead).methods;
    for (std::size_t naive = 1; naive < kForecastMethods; ++naive) {
      EXPECT_LT(methods[0].error, methods[naive].error) << ahead << " " << naive;
      EXPECT_LT(methods[0].pinball, methods[naive].pinball) << ahead << " " << naive;
    }
    // More than 80: its bands know the errors of the weeks in which it had still to learn.
    EXPECT_GT(methods[0].within_pct, 75);
  }
}

TEST(ForecastLab, NoiseIsForetoldAboutAsWellAsByItsMean) {
  const auto report = run_forecast_lab({foretold(6, chance_of)}, 1);
  for (const std::int64_t ahead : kForecastLeads) {
    const auto& methods = row(report, ahead).methods;
    EXPECT_LT(methods[0].error, 1.1 * methods[2].error) << ahead;
    EXPECT_LT(methods[0].error, 0.9 * methods[1].error) << "last week's hour is noise too";
  }
}

TEST(ForecastLab, NaiveWaysAreWhatTheirNamesSay) {
  // Rises by one each hour: last week's hour is 168 less, the hour before `ahead` less.
  const auto report =
      run_forecast_lab({foretold(4, [](std::int64_t hour) { return double(hour); })}, 1);
  EXPECT_DOUBLE_EQ(row(report, 2).methods[1].error, 168);
  EXPECT_DOUBLE_EQ(row(report, 2).methods[3].error, 2);
  EXPECT_DOUBLE_EQ(row(report, 24).methods[3].error, 24);
  EXPECT_EQ(row(report, 24).hours, 4 * 168U - 168 - 24);
}

TEST(ForecastLab, ThreadsChangeNothing) {
  const std::vector<NamedSeries> series = {
      foretold(3, chance_of), foretold(4, [](std::int64_t hour) { return chance_of(hour / 5); })};
  EXPECT_EQ(run_forecast_lab(series, 1).digest, run_forecast_lab(series, 3).digest);
}

TEST(ForecastLab, JobsRunInTheHoursThatTheyTake) {
  JobTrace trace;
  trace.clusters = 1;
  const auto job = [&](Duration arrival, Duration running, std::uint32_t gpus) {
    trace.jobs.push_back({Time{} + arrival, running, gpus, 0});
  };
  job(minutes(10), hours(1), 4);  // the first hour is left out, of it too
  job(minutes(90), hours(2), 2);  // half an hour, an hour, half an hour
  job(minutes(250), minutes(5), 1);
  const auto series = series_of_jobs(trace);
  ASSERT_EQ(series.size(), 2U) << "all, and what arrives; the cluster is too small";
  const auto& running = series[0].series;
  EXPECT_EQ(running.first_hour, 1);
  ASSERT_EQ(running.values.size(), 3U);
  EXPECT_NEAR(*running.values[0], 4.0 / 6 + 1, 1e-9);
  EXPECT_NEAR(*running.values[1], 2, 1e-9);
  EXPECT_NEAR(*running.values[2], 1, 1e-9);
  EXPECT_NEAR(*series[1].series.values[0], 4, 1e-9);
}

TEST(ForecastLab, ZonesAreThereForAShareOfTheHour) {
  SpotTrace trace = spot_trace("110100111111000");
  trace.gap = minutes(10);
  const auto series = series_of_spot({trace});
  ASSERT_EQ(series.size(), 1U);
  ASSERT_EQ(series[0].series.values.size(), 2U) << "of the third hour a half is known";
  EXPECT_DOUBLE_EQ(*series[0].series.values[0], 0.5);
  EXPECT_DOUBLE_EQ(*series[0].series.values[1], 1);
}

TEST(ForecastLab, WithoutATraceThereIsNothing) {
  const auto none = run_forecast_lab(ForecastLabOptions{});
  ASSERT_FALSE(none.has_value());
  EXPECT_EQ(none.error().code, ErrorCode::kInvalid);
  ForecastLabOptions absent;
  absent.jobs = "/nonexistent/jobs.csv";
  EXPECT_EQ(run_forecast_lab(absent).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace fallow::sim
