#include "server/survival_watch.h"

#include <gtest/gtest.h>

#include "server/watched_market_test.h"

namespace fallow::server {
namespace {

NodeRecord record(std::uint64_t node, const std::string& model, double stretch_hours,
                  std::size_t stretches, double up_hours = 1) {
  NodeRecord record;
  record.node = NodeId(node);
  record.model = model;
  record.stretches.assign(stretches, Stretch{stretch_hours, true});
  // No two are quite alike, as it is with nodes.
  for (std::size_t i = 0; i < stretches; ++i) {
    record.stretches[i].hours *= 0.5 + static_cast<double>(i % 7) / 4;
  }
  record.up_hours = up_hours;
  return record;
}

TEST(SurvivalFits, AClassWithTooFewEndingsGoesByAllNodes) {
  SurvivalFits fits;
  for (std::uint64_t i = 0; i < 4; ++i) fits.add(record(1 + i, "rtx_4090", 2, 12));
  fits.add(record(9, "h100", 100, 5));
  fits.fit();
  ASSERT_TRUE(fits.of_all());
  EXPECT_DOUBLE_EQ(fits.of("h100")->scale_hours, fits.of_all()->scale_hours);
  EXPECT_LT(fits.of("rtx_4090")->scale_hours, fits.of_all()->scale_hours);
  EXPECT_NEAR(fits.of("rtx_4090")->scale_hours, 2.5, 0.5);
}

TEST(SurvivalFits, SayNothingOfAYoungMarket) {
  SurvivalFits fits;
  fits.add(record(1, "rtx_4090", 2, 12));
  fits.fit();
  EXPECT_FALSE(fits.of("rtx_4090"));
  EXPECT_TRUE(survival_of(fits, {record(1, "rtx_4090", 2, 12)}).nodes().empty());
  EXPECT_TRUE(survival_of_unknown(fits, {}).nodes().empty());
}

TEST(SurvivalFits, TellOnlyWhatHasChanged) {
  SurvivalFits fits;
  std::vector<NodeRecord> nodes;
  for (std::uint64_t i = 0; i < 4; ++i) nodes.push_back(record(1 + i, "rtx_4090", 2, 12));
  for (const NodeRecord& node : nodes) fits.add(node);
  fits.fit();
  const v1::SetSurvival first = survival_of(fits, nodes);
  ASSERT_EQ(first.nodes_size(), 4);
  for (int i = 1; i < first.nodes(0).lasting_ppm_size(); ++i) {
    EXPECT_LE(first.nodes(0).lasting_ppm(i), first.nodes(0).lasting_ppm(i - 1));
  }
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    for (int span = 0; span < 5; ++span) {
      nodes[i].told.codes[static_cast<std::size_t>(span)] =
          core::survival_code(first.nodes(0).lasting_ppm(span));
    }
  }
  EXPECT_TRUE(survival_of(fits, nodes).nodes().empty());
  nodes[2].up_hours = 30;
  const v1::SetSurvival second = survival_of(fits, nodes);
  ASSERT_EQ(second.nodes_size(), 1);
  EXPECT_EQ(second.nodes(0).node(), 3U);
}

TEST(SurvivalWatch, TellsTheMarketHowLongItsNodesLast) {
  WatchedMarket market;
  const std::uint64_t steady = market.join(1);
  const std::uint64_t fickle = market.join(2);
  SurvivalWatch watch(market.engine(), market.clock(), hours(1'000));
  ASSERT_TRUE(watch.run_once().has_value());
  EXPECT_FALSE(market.survival(steady).is_known()) << "nothing has ended yet";
  for (int i = 0; i < 16; ++i) {
    market.up_for(steady, hours(30 + i));
    market.up_for(fickle, minutes(20 + i));
  }
  market.link(steady, true);
  market.link(fickle, true);
  ASSERT_TRUE(watch.run_once().has_value());
  const core::Survival lasts = market.survival(steady);
  const core::Survival leaves = market.survival(fickle);
  EXPECT_GT(lasts.codes[1], leaves.codes[1] + 40) << "six hours";
  EXPECT_TRUE(market.look(
      [](const core::Machine& machine) { return machine.book().scoring().survival.is_known(); }));
  const auto index = [&] {
    return market.look([](const core::Machine& machine) { return machine.last_index(); });
  };
  const LogIndex before = index();
  ASSERT_TRUE(watch.run_once().has_value());
  EXPECT_EQ(index(), before) << "all of it is known";
}

TEST(SurvivalWatch, StopsBeforeTheNextPage) {
  WatchedMarket market;
  const std::uint64_t first = market.join(1);
  const std::uint64_t second = market.join(2);
  for (int i = 0; i < 16; ++i) {
    market.up_for(first, minutes(20 + i));
    market.up_for(second, minutes(30 + i));
  }
  SurvivalWatch stopped(market.engine(), market.clock(), hours(1'000));
  stopped.stop();
  const Status run = stopped.run_once();
  ASSERT_FALSE(run.has_value());
  EXPECT_EQ(run.error().code, ErrorCode::kClosed);
  EXPECT_FALSE(market.survival(first).is_known());
  SurvivalWatch watch(market.engine(), market.clock(), hours(1'000));
  ASSERT_TRUE(watch.run_once().has_value());
  EXPECT_TRUE(market.survival(first).is_known()) << "there was something to tell";
}

}  // namespace
}  // namespace fallow::server
