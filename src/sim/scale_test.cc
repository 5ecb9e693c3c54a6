#include "sim/scale.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fallow::sim {
namespace {

using testing::HasSubstr;

ScaleOptions small() {
  ScaleOptions options;
  options.nodes = 150;
  options.seconds = 90;
  options.job_hours = 0.01;
  options.up_hours = 0.05;
  options.down_hours = 0.02;
  return options;
}

TEST(Scale, TheMarketLives) {
  const auto report = run_scale(small());
  ASSERT_TRUE(report);
  EXPECT_EQ(report->refused, 0U);
  EXPECT_GT(report->devices, 150U);
  EXPECT_GT(report->links, 50U);
  EXPECT_GT(report->leases_ended, 100U);
  EXPECT_GT(report->ticks, 0U);
  EXPECT_GT(report->leases_open, 20U);
  // Half of the devices are asked for; those of nodes that are away wait, or their orders do.
  EXPECT_LE(report->leases_open, report->devices / 2);
  EXPECT_GT(report->observed, 90U * report->leases_open / 20);
  EXPECT_GT(report->heartbeats, report->observed);
  EXPECT_GT(report->log_bytes, report->commands * 50);
}

TEST(Scale, AnotherSeedIsAnotherHistory) {
  ScaleOptions other = small();
  other.seconds = 10;
  const Digest first = run_scale(other)->digest;
  EXPECT_EQ(run_scale(other)->digest, first);
  other.seed = 2;
  EXPECT_NE(run_scale(other)->digest, first);
}

TEST(Scale, WithoutUseOnlyComingAndGoingIsLogged) {
  ScaleOptions idle = small();
  idle.use_pct = 0;
  const auto report = run_scale(idle);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->observed, 0U);
  EXPECT_EQ(report->submitted, 0U);
  EXPECT_GT(report->heartbeats, 1'000U);
  EXPECT_EQ(report->commands, report->links + report->ticks);
}

TEST(Scale, WhatIsScarceIsWaitedFor) {
  ScaleOptions scarce = small();
  scarce.seconds = 5;
  scarce.scarce_pct = 100;
  const auto report = run_scale(scarce);
  ASSERT_TRUE(report);
  EXPECT_GT(report->orders_waiting, report->leases_open);
}

TEST(Scale, OptionsOutOfRangeAreRefused) {
  for (const auto& spoil :
       {+[](ScaleOptions& o) { o.nodes = 0; }, +[](ScaleOptions& o) { o.nodes = 1'000'001; },
        +[](ScaleOptions& o) { o.seconds = 0; }, +[](ScaleOptions& o) { o.use_pct = 101; },
        +[](ScaleOptions& o) { o.scarce_pct = 101; }, +[](ScaleOptions& o) { o.job_hours = 0; },
        +[](ScaleOptions& o) { o.up_hours = -1; }, +[](ScaleOptions& o) { o.down_hours = 1e7; }}) {
    ScaleOptions options = small();
    spoil(options);
    const auto report = run_scale(options);
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code, ErrorCode::kInvalid);
  }
}

TEST(Scale, JsonHasTheFigures) {
  ScaleOptions options = small();
  options.seconds = 5;
  const std::string json = to_json(*run_scale(options));
  EXPECT_THAT(json, HasSubstr("{\"nodes\":150,\"devices\":"));
  EXPECT_THAT(json, HasSubstr("\"commands_per_simulated_second\":"));
  EXPECT_THAT(json, HasSubstr("\"bytes_a_node\":"));
  EXPECT_THAT(json, HasSubstr("\"digest\":\""));
}

}  // namespace
}  // namespace fallow::sim
