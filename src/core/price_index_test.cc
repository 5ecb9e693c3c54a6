#include "core/price_index.h"

#include <gtest/gtest.h>

#include <vector>

namespace fallow::core {
namespace {

constexpr IndexRules kRules{300, 7'000, Micros(1'000'000'000'000)};

Node node_of(const char* model, const char* region, std::uint64_t id = 1, std::size_t devices = 1) {
  Node node;
  node.id = NodeId(id);
  node.facts.set_region(region);
  node.devices.resize(devices);
  for (NodeDevice& device : node.devices) device.facts.set_model(model);
  node.connected = true;
  node.offer.id = OfferId(id);
  return node;
}

Time at_second(std::int64_t second) { return Time{seconds(second).value}; }

std::vector<PriceIndex> closed(PriceIndexes& indexes, Time now, const IndexRules& rules = kRules) {
  std::vector<PriceIndex> told;
  indexes.close_interval(now, rules, [&](const PriceIndex& index) { told.push_back(index); });
  return told;
}

PriceIndex index_of(std::int64_t value, std::int64_t offered_ms, std::int64_t leased_ms) {
  PriceIndex index;
  index.value = Micros(value);
  index.offered_ms = offered_ms;
  index.leased_ms = leased_ms;
  return index;
}

TEST(PriceIndexTest, MovesByUseAgainstTheTarget) {
  EXPECT_EQ(PriceIndexes::moved(index_of(400'000, 1'000, 700), kRules, Time{}), Micros(400'000));
  EXPECT_EQ(PriceIndexes::moved(index_of(400'000, 1'000, 1'000), kRules, Time{}), Micros(412'000));
  EXPECT_EQ(PriceIndexes::moved(index_of(400'000, 1'000, 850), kRules, Time{}), Micros(406'000));
  EXPECT_EQ(PriceIndexes::moved(index_of(400'000, 1'000, 350), kRules, Time{}), Micros(394'000));
  EXPECT_EQ(PriceIndexes::moved(index_of(400'000, 1'000, 0), kRules, Time{}), Micros(388'000));
}

TEST(PriceIndexTest, TradesPullHalfTheWayAndNeverBeyondTheStep) {
  PriceIndex index = index_of(400'000, 1'000, 700);
  index.trades = 1;
  index.mean = Micros(404'000);
  EXPECT_EQ(PriceIndexes::moved(index, kRules, Time{}), Micros(402'000));
  index.mean = Micros(900'000);
  EXPECT_EQ(PriceIndexes::moved(index, kRules, Time{}), Micros(412'000));
  index.mean = Micros(0);
  EXPECT_EQ(PriceIndexes::moved(index, kRules, Time{}), Micros(388'000));
}

TEST(PriceIndexTest, StaysWithinItsEnds) {
  EXPECT_EQ(PriceIndexes::moved(index_of(1, 1'000, 0), kRules, Time{}), Micros(1));
  EXPECT_EQ(PriceIndexes::moved(index_of(1, 1'000, 1'000), kRules, Time{}), Micros(2));
  EXPECT_EQ(PriceIndexes::moved(index_of(kRules.value_max.value, 1'000, 1'000), kRules, Time{}),
            kRules.value_max);
  EXPECT_EQ(PriceIndexes::moved(index_of(400'000, 1'000, 0), {0, 7'000, kRules.value_max}, Time{}),
            Micros(400'000));
}

TEST(PriceIndexTest, UseIsAveragedByTime) {
  PriceIndexes indexes(8);
  Node node = node_of("RTX 4090", "eu");
  indexes.place(node, at_second(0));
  indexes.offered(node, Micros(400'000));
  node.devices[0].free_thousandths = 0;
  indexes.count(node, at_second(75));  // leased for the last quarter
  const auto told = closed(indexes, at_second(100));
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].key, (PriceClass{"rtx_4090", "eu"}));
  EXPECT_EQ(told[0].use_basis_points(), 2'500U);
  EXPECT_EQ(told[0].open, Micros(400'000));
  EXPECT_EQ(told[0].value, Micros(392'286));  // 400,000 - 12,000 * 4,500 / 7,000
}

TEST(PriceIndexTest, AnAwayNodeOffersOnlyWhatIsInUse) {
  PriceIndexes indexes(8);
  Node node = node_of("A", "eu", 1, 2);
  indexes.place(node, at_second(0));
  node.devices[0].free_thousandths = 500;
  node.owner = v1::OWNER_PRESENT;
  indexes.count(node, at_second(0));
  EXPECT_EQ(node.counted.offered_thousandths, 500U);
  EXPECT_EQ(node.counted.leased_thousandths, 500U);
}

TEST(PriceIndexTest, MeanOfTradesIsByCapacity) {
  PriceIndexes indexes(8);
  const auto told = [&] {
    Node node = node_of("A", "eu");
    indexes.place(node, at_second(0));
    indexes.offered(node, Micros(100));
    indexes.traded(node, Micros(100), 1'000);
    indexes.traded(node, Micros(400), 500);
    return closed(indexes, at_second(60));
  }();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].low, Micros(100));
  EXPECT_EQ(told[0].high, Micros(400));
  EXPECT_EQ(told[0].mean, Micros(200));
  EXPECT_EQ(told[0].trades, 2U);
  EXPECT_EQ(told[0].traded_thousandths, 1'500U);
}

TEST(PriceIndexTest, ClassesComeAndGoWithTheirNodes) {
  PriceIndexes indexes(1);
  Node first = node_of("A", "eu", 1);
  Node second = node_of("B", "eu", 2);
  indexes.place(first, at_second(0));
  indexes.place(second, at_second(0));
  EXPECT_TRUE(first.priced);
  EXPECT_FALSE(second.priced) << "no room for a second class";
  first.removed = true;
  indexes.place(first, at_second(1));
  EXPECT_TRUE(indexes.empty());
  indexes.place(second, at_second(1));
  EXPECT_TRUE(second.priced);
  second.facts.set_region("us");
  indexes.place(second, at_second(2));
  EXPECT_EQ(second.counted.index->key, (PriceClass{"b", "us"}));
  second.devices.clear();
  indexes.place(second, at_second(3));
  EXPECT_TRUE(indexes.empty());
}

TEST(PriceIndexTest, ScarceIsWhatIsExpectedBeyondTheTarget) {
  PriceIndex index;
  index.expected_use_basis_points = 8'500;
  EXPECT_EQ(index.scarcity(Time{9}, 7'000), 0U) << "nothing was told";
  index.expected_until = Time{10};
  EXPECT_EQ(index.scarcity(Time{9}, 7'000), 5'000U);
  EXPECT_EQ(index.scarcity(Time{10}, 7'000), 0U) << "it is over";
  EXPECT_EQ(index.scarcity(Time{9}, 10'000), 0U);
  index.expected_use_basis_points = 7'000;
  EXPECT_EQ(index.scarcity(Time{9}, 7'000), 0U);
  index.expected_use_basis_points = kExpectedUseMax;
  EXPECT_EQ(index.scarcity(Time{9}, 7'000), 10'000U) << "all is all";
}

TEST(PriceIndexTest, YearsWithoutAnEndKeepTheRatio) {
  PriceIndexes indexes(8);
  Node node = node_of("A", "eu", 1, 64);
  indexes.place(node, at_second(0));
  indexes.offered(node, Micros(1'000'000));
  for (NodeDevice& device : node.devices) device.free_thousandths = 500;
  indexes.count(node, at_second(0));
  const auto told = closed(indexes, Time{std::int64_t{1} << 60});
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].use_basis_points(), 5'000U);
}

}  // namespace
}  // namespace fallow::core
