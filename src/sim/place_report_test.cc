#include "sim/place_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/place_lists_test.h"

namespace fallow::sim {
namespace {

using testing::HasSubstr;

PlaceReport run(PolicyKind policy, unsigned threads = 1) {
  const Fleet fleet = mixed_fleet();
  PlaceOptions options;
  options.policy = policy;
  options.first_seed = 1;
  options.last_seed = 6;
  options.threads = threads;
  return run_place(fleet, mixed_pods(fleet), options);
}

TEST(PlaceReport, EachPolicyPlacesMoreThanTheOneBefore) {
  double before = 0;
  for (const PolicyKind kind : kPolicyKinds) {
    const PlaceReport report = run(kind);
    const LoadFigures& last = report.mean.back();
    EXPECT_GT(last.allocation_pct, before) << name_of(kind);
    EXPECT_LE(last.allocation_pct, 100) << name_of(kind);
    before = last.allocation_pct;
  }
}

// The same on every machine, in every build: floating point included.
TEST(PlaceReport, DigestsAreKnown) {
  const std::pair<PolicyKind, const char*> known[] = {
      {PolicyKind::kRandom, "9c224e010f15edfed1e49c46cac38cb02ad4ff342a9c588eda511fef166a847d"},
      {PolicyKind::kBestFit, "ac22db5cc92479e7c83df12e3a8cd35b5e140545bd44518fdd5e37f4a99af3cb"},
      {PolicyKind::kFgd, "938fe87aad8a5f6538851d1ab2a2ff95f08e9680ff16551377287c7d105dcbc1"},
      {PolicyKind::kFallow, "adc0492daadae78e2536d69f282146bd9852cff6a38bc8da09fc46dd3e3cfd52"},
  };
  for (const auto& [kind, digest] : known) EXPECT_EQ(to_hex(run(kind).digest), digest);
}

TEST(PlaceReport, ThreadsChangeNothing) {
  const PlaceReport one = run(PolicyKind::kFallow, 1);
  const PlaceReport three = run(PolicyKind::kFallow, 3);
  EXPECT_EQ(one.digest, three.digest);
  EXPECT_EQ(one.runs[5].digest, three.runs[5].digest);
  EXPECT_NE(one.runs[4].digest, one.runs[5].digest);
}

TEST(PlaceReport, AFleetOfOneDeviceFillsUp) {
  const Fleet fleet = fleet_of("a,8000,1000,1,A\n");
  const PodList list = pods_of("p,1000,1,1,500,\n", fleet);
  PlaceOptions options;
  options.first_seed = options.last_seed = 3;
  for (const PolicyKind kind : kPolicyKinds) {
    options.policy = kind;
    const PlaceReport report = run_place(fleet, list, options);
    // Two pods fit, that is 100 % of the demand; none is left for the figure at 130 %.
    EXPECT_EQ(report.runs[0].decisions, 2U);
    EXPECT_DOUBLE_EQ(report.mean[4].allocation_pct, 50);
    EXPECT_DOUBLE_EQ(report.mean[9].allocation_pct, 100);
    EXPECT_DOUBLE_EQ(report.mean[12].allocation_pct, 100);
    EXPECT_DOUBLE_EQ(report.mean[12].accepted_pct, 100);
    EXPECT_DOUBLE_EQ(report.mean[12].fragmented_idle_pct, 0);
  }
}

TEST(PlaceReport, PodsThatFitNowhereAreDropped) {
  const Fleet fleet = fleet_of("a,8000,1000,1,A\n");
  // Too much memory, too many CPUs, a model that is not there, and a CPU-only one.
  const PodList list =
      pods_of("p1,1000,5000,1,500,\np2,9000,1,1,500,\np3,1000,1,1,100,B\np4,1000,1,0,0,\n", fleet);
  PlaceOptions options;
  options.policy = PolicyKind::kFallow;
  const PlaceReport report = run_place(fleet, list, options);
  EXPECT_DOUBLE_EQ(report.mean[12].allocation_pct, 0);
  EXPECT_LT(report.mean[12].accepted_pct, 60);
  EXPECT_GT(report.mean[12].accepted_pct, 0);
  EXPECT_DOUBLE_EQ(report.mean[12].cpu_only_pct, 100);
}

TEST(PlaceReport, JsonHasEverySeedAndTheMean) {
  const std::string json = to_json(run(PolicyKind::kBestFit));
  EXPECT_THAT(json, HasSubstr("\"policy\":\"bestfit\",\"nodes\":60,\"devices\":290,\"pods\":600"));
  EXPECT_THAT(json, HasSubstr("\"runs\":[{\"seed\":1,\"decisions\":"));
  EXPECT_THAT(json, HasSubstr("\"mean\":{\"allocation_pct\":{\"10\":"));
  EXPECT_THAT(json, HasSubstr("\"cpu_only_accepted_pct\":{\"10\":100.0000"));
  EXPECT_THAT(json, HasSubstr(",\"130\":"));
}

TEST(PlaceReport, SeedsAreARangeOrOne) {
  PlaceOptions options;
  ASSERT_TRUE(parse_seeds("42..51", options));
  EXPECT_EQ(options.first_seed, 42);
  EXPECT_EQ(options.last_seed, 51);
  ASSERT_TRUE(parse_seeds("7", options));
  EXPECT_EQ(options.last_seed, 7);
  ASSERT_TRUE(parse_seeds("0..9999", options));
  for (const char* bad :
       {"", "x", "5..", "..5", "5..4", "-1", "1...3", "1..3x", "0..10000", "1-3"}) {
    EXPECT_FALSE(parse_seeds(bad, options)) << bad;
  }
}

TEST(PlaceReport, AnAbsentListIsNamed) {
  PlaceOptions options;
  options.nodes = testing::TempDir() + "fallow_no_such_nodes.csv";
  const auto report = run_place(options);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(report.error().message, HasSubstr("fallow_no_such_nodes.csv"));
}

}  // namespace
}  // namespace fallow::sim
