#include "sim/place_prices.h"

#include <gtest/gtest.h>

#include "sim/place_lists_test.h"

namespace fallow::sim {
namespace {

std::vector<ExpectedClass> mix_of(const PodList& list) {
  std::vector<ExpectedClass> mix;
  for (const PodClass& c : list.classes) mix.push_back(ExpectedClass{c, 1000, 0});
  for (const Pod& pod : list.pods) {
    mix[pod.pod_class].share += 1.0 / static_cast<double>(list.pods.size());
  }
  return mix;
}

TEST(PlacePrices, MoreFreeIsWorthMore) {
  const Fleet fleet = mixed_fleet();
  PlacePrices prices(fleet, mix_of(mixed_pods(fleet)));
  prices.solve(fleet.nodes);
  NodeState node = fleet.nodes[0];
  double last = prices.worth(node);
  EXPECT_GT(last, 8 * 1000 * 0.9);  // about its eight devices
  EXPECT_LT(last, 8 * 1000 * 2.0);
  for (const int free : {900, 500, 300, 0}) {
    node.free_milli[0] = static_cast<std::int16_t>(free);
    const double worth = prices.worth(node);
    EXPECT_LT(worth, last) << free;
    last = worth;
  }
}

TEST(PlacePrices, DevicesWithoutCpusAreWorthLittle) {
  const Fleet fleet = mixed_fleet();
  PlacePrices prices(fleet, mix_of(mixed_pods(fleet)));
  prices.solve(fleet.nodes);
  NodeState bare = fleet.nodes[0];
  bare.cpu_milli = 2'000;  // no class asks for so few
  NodeState none = bare;
  none.free_milli.fill(0);
  const double devices = prices.worth(bare) - prices.worth(none);
  EXPECT_GE(devices, 0);
  EXPECT_LT(devices, 0.01 * prices.worth(fleet.nodes[0]));
}

TEST(PlacePrices, WhatIsShortIsWorthMore) {
  // Half of the demand needs B, of which there is a tenth.
  std::string nodes;
  for (int i = 0; i < 10; ++i)
    nodes += fmt::format("n{},64000,262144,4,{}\n", i, i == 0 ? "B" : "A");
  const Fleet fleet = fleet_of(nodes);
  const PodList list = pods_of("p1,4000,1000,1,1000,A\np2,4000,1000,1,1000,B\n", fleet);
  PlacePrices prices(fleet, mix_of(list));
  prices.solve(fleet.nodes);
  EXPECT_GT(prices.worth(fleet.nodes[0]), 1.5 * prices.worth(fleet.nodes[1]));
}

TEST(PlacePrices, AGangThatNoNodeCanHoldRaisesNoWorth) {
  const Fleet fleet = fleet_of("a,32000,262144,4,A\nb,32000,262144,4,A\n");
  const std::string small = "p1,8000,1000,1,1000,\n";
  PlacePrices without(fleet, mix_of(pods_of(small, fleet)));
  PlacePrices with(fleet,
                   mix_of(pods_of(small + "p2,64000,1000,4,1000,\np3,1,1,9,1000,\n", fleet)));
  without.solve(fleet.nodes);
  with.solve(fleet.nodes);
  // With a gang in the mix less is expected of the small ones, but not more.
  EXPECT_LE(with.worth(fleet.nodes[0]), without.worth(fleet.nodes[0]) * 1.01);
}

TEST(PlacePrices, AFullFleetCanBeSolved) {
  const Fleet fleet = mixed_fleet();
  PlacePrices prices(fleet, mix_of(mixed_pods(fleet)));
  std::vector<NodeState> nodes = fleet.nodes;
  for (NodeState& node : nodes) node.free_milli.fill(0);
  prices.solve(nodes);
  prices.solve(nodes);
  EXPECT_GE(prices.worth(nodes[0]), 0);
  EXPECT_LT(prices.worth(nodes[0]), 1000);
}

}  // namespace
}  // namespace fallow::sim
