#include "core/book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <map>
#include <optional>
#include <string>

#include "core/book_test_nodes.h"

namespace fallow::core {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class BookTest : public testing::Test {
 protected:
  Node& put(Node node) {
    Node& kept = nodes_[node.id] = std::move(node);
    book_->update(kept);
    return kept;
  }
  void changed(const Node& node) { book_->update(node); }

  std::uint64_t matched(const Demand& demand) const {
    const std::optional<Placement> placement = book_->match(demand);
    return placement ? placement->node->id.value : 0;
  }
  std::vector<std::uint64_t> listed(const Demand& demand, const ListOptions& options = {}) const {
    std::vector<std::uint64_t> ids;
    for (const Placement& row : book_->list(demand, options)) ids.push_back(row.node->id.value);
    return ids;
  }

  std::map<NodeId, Node> nodes_;
  std::unique_ptr<Book> book_ = make_book();
};

TEST_F(BookTest, AnEmptyBookAnswersNothing) {
  EXPECT_EQ(matched(test_demand()), 0U);
  EXPECT_FALSE(book_->possible(test_demand()));
  EXPECT_THAT(listed(test_demand()), IsEmpty());
  EXPECT_THAT(book_->relaxations(test_demand()), IsEmpty());
  EXPECT_EQ(book_->size(), 0U);
}

TEST_F(BookTest, TheCheapestIsTakenThenTheMoreReliableThenTheOlder) {
  put(test_node(1, 400'000));
  put(test_node(2, 300'000));
  put(test_node(3, 300'000));
  EXPECT_EQ(matched(test_demand()), 2U);
  nodes_[NodeId(3)].leases_kept = 1;
  changed(nodes_[NodeId(3)]);
  EXPECT_EQ(matched(test_demand()), 3U);
  book_->remove(NodeId(3));
  book_->remove(NodeId(2));
  EXPECT_EQ(matched(test_demand()), 1U);
  EXPECT_EQ(book_->size(), 1U);
  book_->remove(NodeId(2));  // unknown: nothing happens
}

TEST_F(BookTest, DiskCountsInTheRate) {
  put(test_node(1, 300'000)).offer.disk_gb_hour = Micros(3'000);
  changed(nodes_[NodeId(1)]);
  put(test_node(2, 310'000)).offer.disk_gb_hour = Micros(100);
  changed(nodes_[NodeId(2)]);
  Demand demand = test_demand();
  EXPECT_EQ(matched(demand), 1U);
  demand.requirements.set_disk_mb(10'000);
  const std::optional<Placement> placement = book_->match(demand);
  ASSERT_TRUE(placement);
  EXPECT_EQ(placement->node->id, NodeId(2));
  EXPECT_EQ(placement->rate_hour, Micros(311'000));
}

TEST(RateOf, RoundsEachPartUpAndSaturates) {
  v1::Requirements wanted;
  EXPECT_EQ(rate_of(wanted, Micros(1), Micros(1)), Micros(1)) << "one whole device, no disk";
  wanted.set_gpus(3);
  wanted.set_device_thousandths(333);
  EXPECT_EQ(rate_of(wanted, Micros(1), Micros(0)), Micros(1)) << "0.999 is a micro";
  EXPECT_EQ(rate_of(wanted, Micros(100), Micros(0)), Micros(100)) << "99.9";
  wanted.set_disk_mb(1);
  EXPECT_EQ(rate_of(wanted, Micros(100), Micros(1)), Micros(101));
  EXPECT_EQ(rate_of(wanted, Micros(0), Micros(0)), Micros(0));
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  wanted.set_gpus(std::numeric_limits<std::uint32_t>::max());
  EXPECT_EQ(rate_of(wanted, Micros(kMax), Micros(kMax)), Micros(kMax));
}

TEST_F(BookTest, OnlyWhatCouldStartNowMatches) {
  Node& node = put(test_node(1, 300'000));
  const Demand demand = test_demand();
  const auto expect = [&](bool matches, bool possible, const char* why) {
    changed(node);
    EXPECT_EQ(matched(demand) == 1, matches) << why;
    EXPECT_EQ(book_->possible(demand), possible) << why;
  };
  expect(true, true, "idle");
  node.connected = false;
  expect(false, true, "not connected");
  node.connected = true;
  node.owner = v1::OWNER_PRESENT;
  expect(false, true, "owner present");
  node.owner = v1::OWNER_PAUSED;
  expect(false, true, "paused");
  node.owner = v1::OWNER_AWAY;
  node.devices[0].free_thousandths = 999;
  expect(false, true, "a share is leased");
  node.devices[0].free_thousandths = 1'000;
  node.removed = true;
  expect(false, false, "removed");
  node.removed = false;
  node.offer.id = OfferId(0);
  expect(false, false, "no offer");
  node.offer.id = OfferId(10);
  const std::vector<NodeDevice> devices = node.devices;
  node.devices.clear();
  expect(false, false, "no devices");
  node.devices = devices;
  expect(true, true, "idle again");
}

TEST_F(BookTest, EveryRequirementIsHeld) {
  Node& node = put(test_node(1, 300'000, {TestDevice{}, TestDevice{}}));
  node.offer.duration_max = hours(2);
  changed(node);
  const auto matches = [&](auto&& set) {
    Demand demand = test_demand();
    set(demand);
    return matched(demand) == 1;
  };
  const auto with = [&](auto&& set) {
    return matches([&](Demand& demand) { set(demand.requirements); });
  };
  EXPECT_TRUE(with([](auto& wanted) { wanted.set_gpus(2); }));
  EXPECT_FALSE(with([](auto& wanted) { wanted.set_gpus(3); }));
  EXPECT_FALSE(with([](auto& wanted) { wanted.set_gpus(4'294'967'295); }));
  EXPECT_TRUE(with([](auto& wanted) { wanted.set_duration_us(hours(2).value); }));
  EXPECT_FALSE(with([](auto& wanted) { wanted.set_duration_us(hours(2).value + 1); }));
  EXPECT_TRUE(with([](auto& wanted) { wanted.set_memory_mb(64'000); }));
  EXPECT_FALSE(with([](auto& wanted) { wanted.set_memory_mb(64'001); }));
  EXPECT_FALSE(with([](auto& wanted) { wanted.set_cpu_thousandths(16'001); }));
  EXPECT_FALSE(with([](auto& wanted) { wanted.set_disk_mb(500'001); }));
  EXPECT_TRUE(with([](auto& wanted) { wanted.set_isolation_min(v1::BUBBLEWRAP); }));
  EXPECT_FALSE(with([](auto& wanted) { wanted.set_isolation_min(v1::RUNC); }));
  EXPECT_FALSE(with([](auto& wanted) { wanted.set_network(v1::EGRESS); }));
  EXPECT_FALSE(with([](auto& wanted) { wanted.set_device_thousandths(500); })) << "whole only";
  EXPECT_FALSE(with([](auto& wanted) { wanted.set_device_thousandths(1'001); }));
  EXPECT_TRUE(with([](auto& wanted) { wanted.set_price_per_hour_micros_max(300'000); }));
  EXPECT_FALSE(with([](auto& wanted) { wanted.set_price_per_hour_micros_max(299'999); }));
  EXPECT_TRUE(matches([](Demand& demand) { demand.rate_hour_max = Micros(300'000); }));
  EXPECT_FALSE(matches([](Demand& demand) { demand.rate_hour_max = Micros(299'999); }));
  EXPECT_FALSE(matches([](Demand& demand) {
    demand.requirements.set_gpus(2);
    demand.requirements.set_price_per_hour_micros_max(599'999);
  })) << "the limit is of the whole task";
}

TEST_F(BookTest, SharesTakeTheLeastSufficientDeviceThenTheLowestIndex) {
  Node& node = put(test_node(1, 300'000,
                             {{.free_thousandths = 1'000},
                              {.free_thousandths = 400},
                              {.free_thousandths = 300},
                              {.free_thousandths = 400}}));
  node.offer.share_thousandths_min = 250;
  changed(node);
  Demand demand = test_demand();
  demand.requirements.set_device_thousandths(350);
  EXPECT_THAT(book_->match(demand)->devices, ElementsAre(1));
  EXPECT_EQ(book_->match(demand)->rate_hour, Micros(105'000));
  demand.requirements.set_device_thousandths(250);
  EXPECT_THAT(book_->match(demand)->devices, ElementsAre(2));
  demand.requirements.set_gpus(3);
  EXPECT_THAT(book_->match(demand)->devices, ElementsAre(1, 2, 3));
  demand.requirements.set_gpus(1);
  demand.requirements.set_device_thousandths(1'000);
  EXPECT_THAT(book_->match(demand)->devices, ElementsAre(0));
  demand.requirements.set_device_thousandths(249);
  EXPECT_EQ(matched(demand), 0U) << "less than the offer's least share";
}

TEST_F(BookTest, OnlyDevicesThatTheQueryAdmitsAreTaken) {
  put(test_node(
      1, 300'000,
      {{.model = "RTX_3090"}, {.model = "RTX_4090"}, {.model = "EPYC", .kind = v1::CPU}}));
  EXPECT_THAT(book_->match(test_demand("gpu_name=RTX_4090"))->devices, ElementsAre(1));
  EXPECT_THAT(book_->match(test_demand("device_kind=cpu"))->devices, ElementsAre(2));
  Demand two = test_demand();
  two.requirements.set_gpus(2);
  EXPECT_THAT(book_->match(two)->devices, ElementsAre(0, 1));
  two.requirements.set_gpus(3);
  EXPECT_EQ(matched(two), 0U) << "the processor is not a third GPU";
  EXPECT_THAT(listed(test_demand("gpu_name in [RTX_3090,RTX_4090]")), ElementsAre(1))
      << "listed once, though of two models";
}

TEST_F(BookTest, AvoidedNodesAreTakenOnlyForWantOfOthers) {
  put(test_node(1, 100'000));
  put(test_node(2, 200'000));
  put(test_node(3, 300'000));
  const std::array avoid{NodeId(1), NodeId(2)};
  Demand demand = test_demand();
  demand.avoid = avoid;
  EXPECT_EQ(matched(demand), 3U);
  demand.requirements.set_price_per_hour_micros_max(250'000);
  EXPECT_EQ(matched(demand), 1U);
}

TEST_F(BookTest, FastestTakesTheFasterModelThenTheLowerPrice) {
  put(test_node(1, 100'000, {{.model = "RTX_3060", .memory_mb = 12'288}}));
  put(test_node(2, 900'000, {{.model = "NVIDIA H100 80GB HBM3", .memory_mb = 81'559}}));
  put(test_node(3, 800'000, {{.model = "NVIDIA H100 80GB HBM3", .memory_mb = 81'559}}));
  put(test_node(4, 400'000));
  Demand demand = test_demand();
  demand.requirements.set_objective(v1::FASTEST);
  EXPECT_EQ(matched(demand), 3U);
  EXPECT_THAT(listed(demand), ElementsAre(3, 2, 4, 1));
  demand.requirements.set_price_per_hour_micros_max(500'000);
  EXPECT_EQ(matched(demand), 4U);
}

TEST_F(BookTest, FastestCountsTheSlowestDeviceOfATask) {
  put(test_node(1, 900'000, {{.model = "RTX_4090"}, {.model = "RTX_3060", .memory_mb = 12'288}}));
  put(test_node(2, 900'000, {{.model = "RTX_3090"}, {.model = "RTX_3090"}}));
  Demand demand = test_demand();
  demand.requirements.set_objective(v1::FASTEST);
  EXPECT_EQ(matched(demand), 1U);
  demand.requirements.set_gpus(2);
  EXPECT_EQ(matched(demand), 2U);
}

TEST_F(BookTest, CostToCompleteWeighsPriceSpeedAndReliability) {
  put(test_node(1, 200'000, {{.model = "RTX_3090"}}));
  put(test_node(2, 400'000, {{.model = "RTX_4090"}}));  // 2.3 times as fast, twice the price
  Demand demand = test_demand();
  demand.requirements.set_objective(v1::COST_TO_COMPLETE);
  EXPECT_EQ(matched(demand), 2U);
  nodes_[NodeId(2)].leases_broken = 20;
  changed(nodes_[NodeId(2)]);
  EXPECT_EQ(matched(demand), 1U);
}

TEST_F(BookTest, AQuoteHoldsThePriceThatWasShown) {
  Node& raised = put(test_node(1, 100'000));
  put(test_node(2, 150'000));
  raised.offer.device_hour = Micros(500'000);
  raised.offer.former = {{.raised_at = Time{10}, .device_hour = Micros(90'000)},
                         {.raised_at = Time{20}, .device_hour = Micros(100'000)}};
  changed(raised);
  EXPECT_EQ(matched(test_demand()), 2U);
  Demand quoted = test_demand();
  quoted.quoted_at = Time{15};
  EXPECT_EQ(matched(quoted), 1U);
  EXPECT_EQ(book_->match(quoted)->rate_hour, Micros(100'000));
  EXPECT_EQ(book_->match(quoted)->device_hour, Micros(100'000));
  EXPECT_THAT(listed(quoted), ElementsAre(1, 2));
  quoted.quoted_at = Time{9};
  EXPECT_EQ(book_->match(quoted)->rate_hour, Micros(90'000));
  quoted.quoted_at = Time{20};
  EXPECT_EQ(matched(quoted), 2U) << "quoted after the raise";
  quoted.quoted_at = Time{15};
  quoted.query = test_demand("price<=0.1").query;
  EXPECT_EQ(matched(quoted), 1U) << "the query sees the price that binds";
  raised.offer.former.clear();
  changed(raised);
  EXPECT_EQ(matched(quoted), 0U);
}

TEST_F(BookTest, ListsPageByPageThroughEqualPrices) {
  for (std::uint64_t id = 1; id <= 25; ++id) {
    put(test_node(id, 100'000 + static_cast<std::int64_t>(id % 3) * 50'000));
  }
  const Demand demand = test_demand();
  const std::vector<std::uint64_t> all = listed(demand);
  ASSERT_EQ(all.size(), 25U);
  for (const char* order : {"", "price", "price-", "reliability-,node", "gpu_name,node-"}) {
    QueryError error;
    ListOptions options;
    options.order = *parse_order(order, error);
    const std::vector<std::uint64_t> whole = listed(demand, options);
    ASSERT_EQ(whole.size(), 25U);
    options.count_max = 4;
    std::vector<std::uint64_t> paged;
    for (;;) {
      const std::vector<Placement> page = book_->list(demand, options);
      if (page.empty()) break;
      for (const Placement& row : page) paged.push_back(row.node->id.value);
      const ListCursor cursor = cursor_of(demand, book_->scoring(), options.order, page.back());
      options.after = cursor_of_text(text_of(cursor));
      ASSERT_EQ(options.after, cursor) << text_of(cursor);
    }
    EXPECT_EQ(paged, whole) << order;
  }
  EXPECT_THAT(book_->list(demand, false, 0), IsEmpty());
}

TEST_F(BookTest, AListShowsTheBusyOnesUnlessAskedNotTo) {
  put(test_node(1, 100'000, {{.free_thousandths = 0}}));
  put(test_node(2, 200'000));
  const std::vector<Placement> all = book_->list(test_demand(), false, 10);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_FALSE(all[0].free);
  EXPECT_TRUE(all[1].free);
  const std::vector<Placement> free = book_->list(test_demand(), true, 10);
  ASSERT_EQ(free.size(), 1U);
  EXPECT_EQ(free[0].node->id, NodeId(2));
}

TEST_F(BookTest, SaysHowManyTasksFit) {
  Node node = test_node(1, 100'000, {TestDevice{}, TestDevice{}, TestDevice{}});
  node.offer.share_thousandths_min = 100;
  Demand demand = test_demand();
  EXPECT_EQ(tasks_that_fit(demand, node, 100), 3U);
  EXPECT_EQ(tasks_that_fit(demand, node, 2), 2U);
  demand.requirements.set_gpus(2);
  EXPECT_EQ(tasks_that_fit(demand, node, 100), 1U);
  demand.requirements.set_device_thousandths(250);
  demand.requirements.set_gpus(1);
  EXPECT_EQ(tasks_that_fit(demand, node, 100), 12U);
  demand.requirements.set_memory_mb(16'000);
  EXPECT_EQ(tasks_that_fit(demand, node, 100), 4U);
  node.connected = false;
  EXPECT_EQ(tasks_that_fit(demand, node, 100), 0U);
}

TEST_F(BookTest, FollowsANodeWhosePriceAndModelsChange) {
  Node& node = put(test_node(1, 100'000));
  put(test_node(2, 150'000));
  node.offer.device_hour = Micros(200'000);
  changed(node);
  EXPECT_EQ(matched(test_demand()), 2U);
  EXPECT_EQ(matched(test_demand("gpu_name=RTX_4090")), 2U);
  node.devices[0].facts.set_model("RTX_5090");
  changed(node);
  EXPECT_EQ(matched(test_demand("gpu_name=RTX_5090")), 1U);
  EXPECT_THAT(listed(test_demand("gpu_name=RTX_4090")), ElementsAre(2));
  node.devices.clear();
  changed(node);
  EXPECT_EQ(matched(test_demand("gpu_name=RTX_5090")), 0U);
  EXPECT_EQ(book_->size(), 2U);
}

}  // namespace
}  // namespace fallow::core
