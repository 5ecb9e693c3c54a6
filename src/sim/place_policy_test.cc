#include "sim/place_policy.h"

#include <gtest/gtest.h>

#include "sim/place_bestfit.h"
#include "sim/place_fgd.h"
#include "sim/place_lists_test.h"
#include "sim/place_random.h"

namespace fallow::sim {
namespace {

TEST(PlacePolicy, NamesGoBothWays) {
  for (const PolicyKind kind : kPolicyKinds) EXPECT_EQ(policy_named(name_of(kind)), kind);
  EXPECT_FALSE(policy_named("worstfit"));
}

TEST(BestFit, ScoresWhatIsLeftOver) {
  const Fleet fleet = fleet_of("a,64000,1000,2,A\n");
  const PodList list = pods_of("p,8000,1,1,1000,\n", fleet);
  BestFitPolicy policy(list);
  // 56 of 128 CPUs and 1 of 8 devices are left: 1 - 0.5 x 0.4375 - 0.5 x 0.125, in whole percent.
  EXPECT_EQ(policy.score(fleet.nodes[0], 0).score, 71);
}

TEST(BestFit, TakesTheFullestDeviceAndTheFirstOfEquals) {
  const Fleet fleet = fleet_of("a,64000,1000,4,A\n");
  const PodList list = pods_of("p,8000,1,1,400,\n", fleet);
  BestFitPolicy policy(list);
  NodeState node = fleet.nodes[0];
  EXPECT_EQ(policy.score(node, 0).device, 0);
  node.free_milli = {1000, 300, 500, 500};
  EXPECT_EQ(policy.score(node, 0).device, 2);
}

TEST(Fgd, FillsTheDeviceThatIsUselessForMost) {
  const Fleet fleet = fleet_of("a,64000,1000,2,A\n");
  const PodList list = pods_of("p1,1000,1,1,300,\np2,1000,1,1,1000,\np3,1000,1,1,1000,\n", fleet);
  FgdPolicy policy(list);
  NodeState node = fleet.nodes[0];
  node.free_milli = {1000, 400};
  const std::uint32_t small = list.pods[0].pod_class;
  const NodeScore half_full = policy.score(node, small);
  EXPECT_EQ(half_full.device, 1);
  // It takes 300 of 400 fragments away; on whole devices only it would make 700 new ones.
  EXPECT_GT(half_full.score, 50);
  EXPECT_LT(policy.score(fleet.nodes[0], small).score, 50);
}

TEST(Random, ChoosesEveryDeviceThatFitsAndNoOther) {
  const Fleet fleet = fleet_of("a,64000,1000,4,A\n");
  const PodList list = pods_of("p,8000,1,1,400,\n", fleet);
  RandomPolicy policy(list, LaggedRandom(1));
  NodeState node = fleet.nodes[0];
  node.free_milli = {1000, 300, 400, 0};
  std::array<int, 4> chosen{};
  for (int i = 0; i < 200; ++i) ++chosen[static_cast<std::size_t>(policy.score(node, 0).device)];
  EXPECT_GT(chosen[0], 50);
  EXPECT_GT(chosen[2], 50);
  EXPECT_EQ(chosen[1] + chosen[3], 0);
}

TEST(NodeState, GangsTakeTheFirstWholeDevices) {
  const Fleet fleet = fleet_of("a,64000,1000,4,A\n");
  const PodList list = pods_of("p,8000,1,2,1000,\n", fleet);
  NodeState node = fleet.nodes[0];
  node.free_milli = {900, 1000, 1000, 1000};
  ASSERT_TRUE(node.fits(list.classes[0]));
  const NodeState after = node.with(list.classes[0], 0);
  EXPECT_EQ(after.free_milli, (std::array<std::int16_t, kDevicesPerNodeMax>{900, 0, 0, 1000}));
  EXPECT_EQ(after.cpu_milli, 56'000);
  EXPECT_FALSE(after.fits(list.classes[0]));
}

}  // namespace
}  // namespace fallow::sim
