#include "sim/spot_trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/spot_traces_test.h"

namespace fallow::sim {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Result<std::vector<SpotTrace>> parse(const std::string& rows, const std::string& only = "") {
  auto table = CsvTable::parse(kSpotHead + rows, "spot.csv");
  FALLOW_CHECK(table.has_value(), "{}", table.error().message);
  return parse_spot_traces(*table, Micros(970'100), only);
}

TEST(SpotTrace, ZonesAreReadOneByOne) {
  const auto traces = parse(
      "availability,1-node,aws-1,zone-a,195,0,1,\navailability,1-node,aws-1,zone-a,195,1,0,0.5\n"
      "preemption,4-node,aws-1,zone-x,60,7,3,\navailability,1-node,aws-2,zone-a,600,0,1,\n");
  ASSERT_TRUE(traces) << traces.error().message;
  ASSERT_EQ(traces->size(), 2U);
  EXPECT_EQ((*traces)[0].name, "aws-1/zone-a");
  EXPECT_EQ((*traces)[0].gap, seconds(195));
  EXPECT_THAT((*traces)[0].available, ElementsAre(true, false));
  EXPECT_THAT((*traces)[0].spot_hour, ElementsAre(Micros(970'100), Micros(500'000)));
  EXPECT_EQ((*traces)[1].name, "aws-2/zone-a");
}

TEST(SpotTrace, OnlySomeByTheirNames) {
  const std::string rows =
      "availability,1-node,aws-1,a,60,0,1,\navailability,1-node,aws-2,a,60,0,1,\n";
  const auto traces = parse(rows, "aws-2");
  ASSERT_TRUE(traces);
  ASSERT_EQ(traces->size(), 1U);
  EXPECT_EQ(traces->front().name, "aws-2/a");
  const auto none = parse(rows, "gcp");
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message, HasSubstr("no availability trace whose name begins with gcp"));
}

TEST(SpotTrace, WhatCannotBeIsRefusedWithItsLine) {
  const std::string good = "availability,1-node,aws-1,a,60,0,1,\n";
  for (const std::string bad :
       {"availability,1-node,aws-1,a,60,2,1,\n", "availability,1-node,aws-1,a,61,1,1,\n",
        "availability,1-node,aws-1,a,60,1,2,\n", "availability,1-node,aws-1,a,0,1,1,\n",
        "availability,1-node,aws-1,a,60,1,1,-1\n", "availability,1-node,aws-1,a,60,1,1,nan\n",
        "availability,1-node,aws-1,b,60,1,1,\n"}) {
    const auto traces = parse(good + bad);
    ASSERT_FALSE(traces) << bad;
    EXPECT_EQ(traces.error().code, ErrorCode::kInvalid);
    EXPECT_THAT(traces.error().message, HasSubstr("spot.csv, line 3"));
  }
  EXPECT_FALSE(parse(""));
  const auto table = CsvTable::parse("kind,tick\n", "other.csv");
  const auto traces = parse_spot_traces(*table, Micros(1), "");
  ASSERT_FALSE(traces);
  EXPECT_THAT(traces.error().message, HasSubstr("no column nodes"));
}

}  // namespace
}  // namespace fallow::sim
