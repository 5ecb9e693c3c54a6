#include "sim/market_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "sim/market_inputs_test.h"

namespace fallow::sim {
namespace {

using testing::HasSubstr;

MarketOptions market_options() {
  const std::string folder = testing::TempDir();
  MarketOptions market_options;
  market_options.jobs = folder + "fallow_market_jobs.csv";
  market_options.market = folder + "fallow_market_book.csv";
  market_options.churn = folder + "fallow_market_churn.csv";
  EXPECT_TRUE(replace_file(market_options.jobs, some_jobs(), 0644));
  EXPECT_TRUE(replace_file(market_options.market, some_book(), 0644));
  EXPECT_TRUE(replace_file(market_options.churn, some_churn(), 0644));
  market_options.home_churn = "Homes";
  market_options.verified_churn = "Halls";
  market_options.rules.nodes = 30;
  market_options.rules.days = 1;
  return market_options;
}

TEST(MarketReport, ReadsRunsAndTells) {
  const auto report = run_market(market_options());
  ASSERT_TRUE(report) << report.error().message;
  const std::string json = to_json(*report);
  EXPECT_THAT(json, HasSubstr("{\"policy\":\"fallow\",\"nodes\":30,\"days\":1,"));
  EXPECT_THAT(json, HasSubstr("\"spot_jobs_pct\":40,\"reserved_jobs_pct\":20,"));
  EXPECT_THAT(json, HasSubstr("\"hosts\":{\"home\":{\"nodes\":"));
  for (const char* const tier : {"reserved", "on_demand", "spot"}) {
    EXPECT_THAT(json, HasSubstr(fmt::format("\"{}\":{{\"asked\":{{\"jobs\":", tier)));
  }
  EXPECT_THAT(json, HasSubstr("\"home\":{\"leases\":"));
  EXPECT_THAT(json, HasSubstr("\"samples\":[{\"day\":0.25,\"used_pct\":"));
  const Chart chart = use_chart(*report);
  ASSERT_EQ(chart.lines.size(), 2U);
  EXPECT_EQ(chart.lines[0].points.size(), 4U);
}

TEST(MarketReport, AnAbsentFileOrFitIsNamed) {
  MarketOptions absent = market_options();
  absent.market += ".not";
  auto report = run_market(absent);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(report.error().message, HasSubstr("fallow_market_book.csv.not"));
  MarketOptions unknown = market_options();
  unknown.home_churn = "Moon";
  report = run_market(unknown);
  ASSERT_FALSE(report);
  EXPECT_THAT(report.error().message, HasSubstr("Moon"));
}

TEST(MarketReport, TiersOfMoreThanAllJobsAreRefused) {
  MarketOptions options = market_options();
  options.rules.spot_pct = 81;
  const auto report = run_market(options);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::kInvalid);
  EXPECT_THAT(report.error().message, HasSubstr("more than all"));
}

}  // namespace
}  // namespace fallow::sim
