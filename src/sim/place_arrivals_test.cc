#include "sim/place_arrivals.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "sim/place_lists_test.h"

namespace fallow::sim {
namespace {

std::int64_t demand_of(const Arrivals& arrivals, const PodList& list) {
  std::int64_t milli = 0;
  for (const std::uint32_t pod : arrivals.pods) {
    milli += list.classes[list.pods[pod].pod_class].total_milli();
  }
  return milli;
}

TEST(PlaceArrivals, ShuffledListComesFirstThenOthersUntilTheDemandIsThere) {
  const Fleet fleet = mixed_fleet();
  const PodList list = mixed_pods(fleet);
  const Arrivals arrivals = draw_arrivals(fleet, list, 42, 500);
  ASSERT_GT(arrivals.pods.size(), list.pods.size());
  std::vector<std::uint32_t> first(arrivals.pods.begin(),
                                   arrivals.pods.begin() + static_cast<long>(list.pods.size()));
  EXPECT_FALSE(std::is_sorted(first.begin(), first.end()));
  std::sort(first.begin(), first.end());
  for (std::uint32_t i = 0; i < first.size(); ++i) EXPECT_EQ(first[i], i);
  // The next pod's single device would pass the target, so at most the rest of a gang is above it.
  const std::int64_t target = fleet.device_milli * 5;
  EXPECT_GT(demand_of(arrivals, list), target - kDeviceMilli);
  EXPECT_LT(demand_of(arrivals, list), target + 8 * kDeviceMilli);
}

TEST(PlaceArrivals, AListThatAsksForMoreLosesPods) {
  const Fleet fleet = mixed_fleet();
  const PodList list = mixed_pods(fleet);
  const Arrivals arrivals = draw_arrivals(fleet, list, 42, 50);
  EXPECT_LT(arrivals.pods.size(), list.pods.size());
  EXPECT_LE(demand_of(arrivals, list), fleet.device_milli / 2);
  EXPECT_GT(demand_of(arrivals, list), fleet.device_milli / 2 - 8 * kDeviceMilli);
}

TEST(PlaceArrivals, SeedsRepeatAndDiffer) {
  const Fleet fleet = mixed_fleet();
  const PodList list = mixed_pods(fleet);
  const Arrivals once = draw_arrivals(fleet, list, 7, 130);
  const Arrivals again = draw_arrivals(fleet, list, 7, 130);
  const Arrivals other = draw_arrivals(fleet, list, 8, 130);
  EXPECT_EQ(once.pods, again.pods);
  EXPECT_EQ(once.node_ranks, again.node_ranks);
  EXPECT_NE(once.pods, other.pods);
  EXPECT_NE(once.node_ranks, other.node_ranks);
  std::vector<std::uint32_t> ranks = once.node_ranks;
  std::sort(ranks.begin(), ranks.end());
  for (std::uint32_t i = 0; i < ranks.size(); ++i) EXPECT_EQ(ranks[i], i);
}

}  // namespace
}  // namespace fallow::sim
