#include "sim/fragmentation.h"

#include <gtest/gtest.h>

#include "sim/place_lists_test.h"

namespace fallow::sim {
namespace {

TEST(Fragmentation, AHandComputedNode) {
  const Fleet fleet = fleet_of("a,10000,1000,2,T4\n");
  // Half ask for 500 of a device, a quarter for CPU only, a quarter for more CPUs than are left.
  const PodList list =
      pods_of("p1,4000,1,1,500,\np2,4000,1,1,500,\np3,1000,1,0,0,\np4,20000,1,1,1000,\n", fleet);
  const Fragmentation fragmentation(list);
  NodeState node = fleet.nodes[0];
  node.free_milli[1] = 300;
  // 0.5 x 300 that is too little, and all 1300 for the other two.
  EXPECT_DOUBLE_EQ(fragmentation.of(node), 0.5 * 300 + 0.25 * 1300 + 0.25 * 1300);
  node.free_milli[0] = 0;  // now nothing but CPU only fits
  EXPECT_DOUBLE_EQ(fragmentation.of(node), 300);
  node.free_milli[1] = 0;
  EXPECT_DOUBLE_EQ(fragmentation.of(node), 0);
}

TEST(Fragmentation, AForeignModelMakesAllOfItFragments) {
  const Fleet fleet = fleet_of("a,10000,1000,2,T4\nb,10000,1000,1,P4\n");
  const Fragmentation fragmentation(pods_of("p1,1000,1,1,500,P4\n", fleet));
  EXPECT_DOUBLE_EQ(fragmentation.of(fleet.nodes[0]), 2000);
  EXPECT_DOUBLE_EQ(fragmentation.of(fleet.nodes[1]), 0);
}

TEST(Fragmentation, TypicalClassesCoverNinetyFivePercent) {
  const Fleet fleet = fleet_of("a,10000,1000,2,T4\n");
  std::string rows;
  const auto add = [&](int pods, const char* asked) {
    for (int i = 0; i < pods; ++i) rows += fmt::format("p{:03},{}\n", rows.size(), asked);
  };
  add(10, "1000,1,1,500,");
  add(6, "2000,1,1,500,");
  add(3, "3000,1,0,0,");  // 19 of 20 are 95 %
  add(1, "4000,1,2,1000,");
  const PodList list = pods_of(rows, fleet);
  const std::vector<TypicalClass> typical = typical_classes(list);
  ASSERT_EQ(typical.size(), 3U);
  EXPECT_EQ(list.classes[typical[0].pod_class].cpu_milli, 1000);
  EXPECT_DOUBLE_EQ(typical[0].share, 10.0 / 19);
  EXPECT_DOUBLE_EQ(typical[2].share, 3.0 / 19);
}

TEST(Fragmentation, EquallyPopularClassesAreInAKnownOrder) {
  const Fleet fleet = fleet_of("a,10000,1000,2,T4\n");
  const PodList list = pods_of("p1,1000,1,1,500,\np2,2000,1,1,500,\np3,2000,1,1,600,\n", fleet);
  const std::vector<TypicalClass> typical = typical_classes(list);
  ASSERT_EQ(typical.size(), 3U);  // the larger first
  EXPECT_EQ(list.classes[typical[0].pod_class].device_milli, 600);
  EXPECT_EQ(list.classes[typical[2].pod_class].cpu_milli, 1000);
}

}  // namespace
}  // namespace fallow::sim
