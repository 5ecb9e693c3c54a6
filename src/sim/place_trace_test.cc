#include "sim/place_trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/place_lists_test.h"

namespace fallow::sim {
namespace {

using testing::HasSubstr;

constexpr const char* kNodeHead = "sn,cpu_milli,memory_mib,gpu,model\n";
constexpr const char* kPodHead = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec\n";

std::string fleet_error(const std::string& text) {
  const auto fleet = parse_fleet(*CsvTable::parse(text, "nodes.csv"));
  return fleet ? "" : fleet.error().message;
}

std::string pods_error(const std::string& text) {
  const Fleet fleet = fleet_of("a,8000,1024,1,T4\n");
  const auto list = parse_pods(*CsvTable::parse(text, "pods.csv"), fleet);
  return list ? "" : list.error().message;
}

TEST(PlaceTrace, NodesAreInTheOrderOfTheirNames) {
  const Fleet fleet = fleet_of("b,64000,262144,2,P100\na,8000,1024,16,T4\n");
  ASSERT_EQ(fleet.nodes.size(), 2U);
  EXPECT_EQ(fleet.names[0], "a");
  EXPECT_EQ(fleet.nodes[0].devices, 16);
  EXPECT_EQ(fleet.nodes[0].free_total(), 16'000);
  EXPECT_EQ(fleet.models[fleet.nodes[1].model], "P100");
  EXPECT_EQ(fleet.devices(), 18);
}

TEST(PlaceTrace, BadNodesAreNamedByLine) {
  const std::string head = kNodeHead;
  EXPECT_THAT(fleet_error(head), HasSubstr("nodes.csv has no node"));
  EXPECT_THAT(fleet_error(head + "a,1,1,0,T4\n"), HasSubstr("line 2: gpu is \"0\""));
  EXPECT_THAT(fleet_error(head + "a,1,1,17,T4\n"), HasSubstr("line 2: gpu is \"17\""));
  EXPECT_THAT(fleet_error(head + "a,-1,1,1,T4\n"), HasSubstr("cpu_milli is \"-1\""));
  EXPECT_THAT(fleet_error(head + "a,1,x,1,T4\n"), HasSubstr("memory_mib is \"x\""));
  EXPECT_THAT(fleet_error(head + "a,1,1,1,\n"), HasSubstr("not one model's name"));
  EXPECT_THAT(fleet_error(head + "a,1,1,1,T4|P4\n"), HasSubstr("not one model's name"));
  EXPECT_THAT(fleet_error(head + ",1,1,1,T4\n"), HasSubstr("line 2: no name"));
  EXPECT_THAT(fleet_error(head + "a,1,1,1,T4\nb,1,1,1,T4\na,1,1,1,T4\n"),
              HasSubstr("line 4: the name a was there before, in nodes.csv, line 2"));
  EXPECT_THAT(fleet_error("sn,gpu\na,1\n"), HasSubstr("no column cpu_milli"));
  std::string models = head;
  for (int i = 0; i < 65; ++i) models += fmt::format("n{:02},1,1,1,m{}\n", i, i);
  EXPECT_THAT(fleet_error(models), HasSubstr("more than 64 GPU models"));
}

TEST(PlaceTrace, PodsThatDifferInMemoryOnlyAreOneClass) {
  const Fleet fleet = fleet_of("a,8000,1024,1,T4\nb,8000,1024,1,P4\n");
  const PodList list =
      pods_of("p3,1000,10,1,500,\np1,1000,20,1,500,\np2,1000,20,1,500,P4|G9\n", fleet);
  EXPECT_EQ(list.classes.size(), 2U);
  EXPECT_EQ(list.pods[0].memory_mib, 20);  // p1
  EXPECT_EQ(list.pods[2].memory_mib, 10);  // p3
  EXPECT_EQ(list.pods[0].pod_class, list.pods[2].pod_class);
  const PodClass& picky = list.classes[list.pods[1].pod_class];
  EXPECT_TRUE(fleet.nodes[1].fits(picky));
  EXPECT_FALSE(fleet.nodes[0].fits(picky));
}

TEST(PlaceTrace, ASpecOfNoModelAllowsAnyAndAnUnknownOneNone) {
  const Fleet fleet = fleet_of("a,8000,1024,1,T4\n");
  const PodList list = pods_of("p1,1000,1,1,500,|\np2,1000,1,1,500,G9\n", fleet);
  EXPECT_TRUE(fleet.nodes[0].fits(list.classes[list.pods[0].pod_class]));
  EXPECT_FALSE(fleet.nodes[0].fits(list.classes[list.pods[1].pod_class]));
}

TEST(PlaceTrace, CpuOnlyPodsHaveNoDevicePartsAndNoModel) {
  const Fleet fleet = fleet_of("a,8000,1024,1,T4\n");
  const PodList list = pods_of("p1,1000,1,0,700,G9\np2,1,1,1,1000,\n", fleet);
  const PodClass& c = list.classes[list.pods[0].pod_class];
  EXPECT_EQ(c.total_milli(), 0);
  EXPECT_TRUE(fleet.nodes[0].fits(c));
}

TEST(PlaceTrace, TheSpecColumnMayBeMissing) {
  const Fleet fleet = fleet_of("a,8000,1024,1,T4\n");
  const auto table =
      CsvTable::parse("name,cpu_milli,memory_mib,num_gpu,gpu_milli\np,1,1,1,500\n", "p");
  EXPECT_TRUE(parse_pods(*table, fleet));
}

TEST(PlaceTrace, BadPodsAreNamedByLine) {
  const std::string head = kPodHead;
  EXPECT_THAT(pods_error(head + "p,1,1,1,0,\n"), HasSubstr("line 2: gpu_milli is \"0\""));
  EXPECT_THAT(pods_error(head + "p,1,1,1,1001,\n"), HasSubstr("gpu_milli is \"1001\""));
  EXPECT_THAT(pods_error(head + "p,1,1,2,500,\n"), HasSubstr("a part is of one device only"));
  EXPECT_THAT(pods_error(head + "p,1,1,,500,\n"), HasSubstr("num_gpu is \"\""));
  EXPECT_THAT(pods_error(head + "p,1,1,0,0,\n"), HasSubstr("no pod that asks for a device"));
  EXPECT_THAT(pods_error(head), HasSubstr("no pod that asks for a device"));
}

}  // namespace
}  // namespace fallow::sim
