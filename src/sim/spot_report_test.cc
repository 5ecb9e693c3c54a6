#include "sim/spot_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/spot_traces_test.h"

namespace fallow::sim {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<SpotTrace> traces() {
  std::vector<SpotTrace> traces;
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    traces.push_back(heavy_tailed_trace(seed, 1'500));
    traces.back().name = fmt::format("test/zone-{}", seed);
  }
  return traces;
}

SpotOptions options() {
  SpotOptions options;
  options.deadline_ratios = {1.25, 2};
  options.starts = 4;
  options.on_demand_price = 3;
  return options;
}

// One run is enough for all tests that look at it.
const SpotReport& usual() {
  static const Result<SpotReport> report = run_spot(traces(), options());
  return report.value();
}

// The same on every machine, in every build: computed with the release build.
TEST(SpotReport, DigestIsTheSameEverywhere) {
  EXPECT_EQ(to_hex(usual().digest),
            "3714d112a7b25cc0c03f54fa5801ecfc372e5eebd4c1250b4a441335b7277865");
}

TEST(SpotReport, ThreadsChangeNothing) {
  SpotOptions three = options();
  three.threads = 3;
  EXPECT_EQ(usual().digest, run_spot(traces(), three)->digest);
}

TEST(SpotReport, TheMarketsPolicyIsBetterThanUniformProgress) {
  for (const SpotRatio& ratio : usual().ratios) {
    EXPECT_EQ(ratio.jobs, 24U);
    const SpotFigures& uniform = ratio.policies[2];
    const SpotFigures& fallow = ratio.policies[3];
    EXPECT_EQ(fallow.late, 0) << ratio.deadline_ratio;
    EXPECT_LT(fallow.cost, uniform.cost) << ratio.deadline_ratio;
    EXPECT_GT(fallow.cost, ratio.optimum);
    EXPECT_DOUBLE_EQ(ratio.policies[0].of_on_demand, 100);
    EXPECT_DOUBLE_EQ(ratio.policies[0].spot_pct, 0);
    EXPECT_GT(fallow.spot_pct, 0);
  }
}

TEST(SpotReport, TracesTooShortForAJobAreLeftOut) {
  std::vector<SpotTrace> some = traces();
  some[2].available.resize(300);
  some[2].spot_hour.resize(300);
  auto report = run_spot(some, options());
  ASSERT_TRUE(report);
  EXPECT_EQ(report->ratios[0].traces, 5U);
  EXPECT_EQ(report->ratios[0].by_trace.size(), 5U);
  SpotOptions longer = options();
  longer.work_hours = 1'000;
  report = run_spot(some, longer);
  ASSERT_FALSE(report);
  EXPECT_THAT(report.error().message, HasSubstr("no trace is as long"));
}

TEST(SpotReport, ADeadlineWithoutTimeForAStartIsRefused) {
  SpotOptions tight = options();
  tight.work_hours = 1;
  tight.deadline_ratios = {1.25};
  const auto report = run_spot(traces(), tight);
  ASSERT_FALSE(report);
  EXPECT_THAT(report.error().message, HasSubstr("leaves no time"));
}

TEST(SpotReport, RatiosAreAList) {
  SpotOptions options;
  ASSERT_TRUE(parse_ratios("1.05,2,3.5", options));
  EXPECT_THAT(options.deadline_ratios, ElementsAre(1.05, 2, 3.5));
  ASSERT_TRUE(parse_ratios("100", options));
  EXPECT_THAT(options.deadline_ratios, ElementsAre(100));
  for (const char* bad : {"", "1", "0.5", "1.5,", ",2", "2;3", "nan", "inf", "101", "2 ,3"}) {
    EXPECT_FALSE(parse_ratios(bad, options)) << bad;
  }
}

TEST(SpotReport, JsonAndChartHaveEveryPolicy) {
  const std::string json = to_json(usual());
  EXPECT_THAT(json, HasSubstr("{\"work_hours\":48,\"restart_minutes\":12,"));
  EXPECT_THAT(json, HasSubstr("\"deadline_ratio\":1.25,\"jobs\":24,\"traces\":6,"));
  EXPECT_THAT(json, HasSubstr("\"uniform_progress\":{\"cost\":"));
  EXPECT_THAT(json, HasSubstr("\"optimum\":{\"cost\":"));
  EXPECT_THAT(json, HasSubstr("\"by_trace\":{\"test/zone-1\":{\"on_demand\":"));
  const Chart chart = cost_chart(usual());
  ASSERT_EQ(chart.lines.size(), 5U);
  EXPECT_EQ(chart.lines[3].name, "fallow");
  EXPECT_EQ(chart.lines[3].points.size(), 2U);
}

TEST(SpotReport, AnAbsentTraceIsNamed) {
  SpotOptions absent = options();
  absent.trace = testing::TempDir() + "fallow_no_such_trace.csv";
  const auto report = run_spot(absent);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(report.error().message, HasSubstr("fallow_no_such_trace.csv"));
}

}  // namespace
}  // namespace fallow::sim
