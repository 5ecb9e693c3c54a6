// The market's fragments, in integers, beside the laboratory's, which are those of the paper.
#include "core/demand_mix.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/env.h"
#include "sim/fragmentation.h"
#include "sim/place_lists_test.h"

namespace fallow::sim {
namespace {

TEST(DemandMix, FindsTheFragmentsOfTheLaboratory) {
  struct Kind {
    std::uint32_t gpus;
    std::uint32_t share;
    int count;
  };
  // The most popular last, so that the mix is made anew with all of them.
  constexpr Kind kKinds[] = {
      {8, 1'000, 3}, {2, 1'000, 4}, {1, 300, 4}, {1, 500, 7}, {1, 1'000, 10}};
  const Fleet fleet = fleet_of("a,96000,393216,8,A\n");
  std::string rows;
  core::DemandMix mix;
  for (const Kind& kind : kKinds) {
    for (int i = 0; i < kind.count; ++i) {
      rows += fmt::format("p{:04},1,1,{},{},\n", rows.size(), kind.gpus, kind.share);
    }
    mix.count({kind.gpus, kind.share}, static_cast<std::uint32_t>(kind.count), Time{1});
  }
  const Fragmentation expected(pods_of(rows, fleet));
  const auto random = seeded_random(5);
  for (int i = 0; i < 2'000; ++i) {
    NodeState node = fleet.nodes[0];
    std::vector<std::uint32_t> free;
    for (std::size_t device = 0; device < node.devices; ++device) {
      const std::uint64_t draw = random->below(4);
      const std::uint64_t left = draw == 0 ? 0 : draw == 1 ? 1'000 : random->below(1'001);
      node.free_milli[device] = static_cast<std::int16_t>(left);
      free.push_back(static_cast<std::uint32_t>(left));
    }
    // The shares of the mix are rounded to parts of a million, and the sum to a thousandth.
    EXPECT_NEAR(static_cast<double>(mix.fragments(free)), expected.of(node), 1.1);
  }
}

}  // namespace
}  // namespace fallow::sim
