#include "core/relaxation.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "core/book_test_nodes.h"

namespace fallow::core {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class RelaxationTest : public testing::Test {
 protected:
  void put(Node node) {
    Node& kept = nodes_[node.id] = std::move(node);
    book_->update(kept);
  }
  // "change (task's price)" of each.
  std::vector<std::string> told(const Demand& demand) const {
    std::vector<std::string> changes;
    for (const v1::Relaxation& relaxation : book_->relaxations(demand)) {
      changes.push_back(fmt::format("{} ({})", relaxation.change(), relaxation.task_hour_micros()));
    }
    return changes;
  }

  std::map<NodeId, Node> nodes_;
  std::unique_ptr<Book> book_ = make_book();
};

TEST_F(RelaxationTest, IsEmptyWhenItMatches) {
  put(test_node(1, 300'000));
  EXPECT_THAT(told(test_demand("gpu_ram>=24")), IsEmpty());
}

TEST_F(RelaxationTest, NamesTheSmallestStepOfEachPredicate) {
  put(test_node(1, 100'000, {{.model = "RTX_3060", .memory_mb = 12'288}}));
  put(test_node(2, 200'000, {{.model = "RTX_4080", .memory_mb = 16'376}}));
  put(test_node(3, 310'000, {{.model = "RTX_3090", .memory_mb = 24'576}}));
  EXPECT_THAT(told(test_demand("gpu_ram>=24 price<=0.25")),
              ElementsAre("lower gpu_ram to 16.376 (200000)", "raise price to 0.31 (310000)"));
  EXPECT_THAT(told(test_demand("gpu_name=RTX_4090")),
              ElementsAre("accept gpu_name RTX_3060 (100000)"));
  EXPECT_THAT(told(test_demand("gpu_name=RTX_4090 gpu_ram>=20")),
              ElementsAre("accept gpu_name RTX_3090 (310000)"));
  EXPECT_THAT(told(test_demand("num_gpus>=2")), ElementsAre("lower num_gpus to 1 (100000)"));
  EXPECT_THAT(told(test_demand("region in [us,ap]")), ElementsAre("accept region eu (100000)"));
  EXPECT_THAT(told(test_demand("region!=eu")), ElementsAre("allow region eu (100000)"));
  EXPECT_THAT(told(test_demand("reliability>0.99")),
              ElementsAre("lower reliability to 0.95 (100000)"));
  EXPECT_THAT(told(test_demand("isolation>=microvm")),
              ElementsAre("lower isolation to bubblewrap (100000)"));
}

TEST_F(RelaxationTest, AdmittingMoreDevicesMayBeTooMany) {
  put(test_node(1, 200'000, {{.memory_mb = 24'576}, {.memory_mb = 16'000}, {.memory_mb = 12'000}}));
  EXPECT_THAT(told(test_demand("gpu_ram in [48] num_gpus=1")),
              ElementsAre("accept gpu_ram 24.576 (200000)"));
  EXPECT_THAT(told(test_demand("gpu_ram>=48 num_gpus=2")),
              ElementsAre("lower gpu_ram to 16 (200000)"));
}

TEST_F(RelaxationTest, NamesTheRequirementInItsWay) {
  Node node = test_node(1, 300'000, {TestDevice{}, TestDevice{}});
  node.offer.duration_max = minutes(90);
  put(node);
  const auto with = [&](auto&& set) {
    Demand demand = test_demand();
    set(demand.requirements);
    return told(demand);
  };
  EXPECT_THAT(with([](auto& wanted) { wanted.set_price_per_hour_micros_max(250'000); }),
              ElementsAre("raise max price to 0.30 (300000)"));
  EXPECT_THAT(with([](auto& wanted) { wanted.set_gpus(8); }),
              ElementsAre("lower gpus to 2 (600000)"));
  EXPECT_THAT(with([](auto& wanted) { wanted.set_device_thousandths(500); }),
              ElementsAre("raise device_share to 1 (300000)"));
  EXPECT_THAT(with([](auto& wanted) { wanted.set_duration_us(hours(2).value); }),
              ElementsAre("lower hours to 1.5 (300000)"));
  EXPECT_THAT(with([](auto& wanted) { wanted.set_memory_mb(65'000); }),
              ElementsAre("lower memory_gb to 64 (300000)"));
  EXPECT_THAT(with([](auto& wanted) { wanted.set_cpu_thousandths(32'000); }),
              ElementsAre("lower cpu_cores to 16 (300000)"));
  EXPECT_THAT(with([](auto& wanted) { wanted.set_disk_mb(600'000); }),
              ElementsAre("lower disk_gb to 500 (300000)"));
  EXPECT_THAT(with([](auto& wanted) { wanted.set_isolation_min(v1::GVISOR); }),
              ElementsAre("accept isolation bubblewrap (300000)"));
  EXPECT_THAT(with([](auto& wanted) { wanted.set_network(v1::EGRESS); }),
              ElementsAre("do without a network (300000)"));
  EXPECT_THAT(with([](auto& wanted) {
                wanted.set_gpus(2);
                wanted.set_price_per_hour_micros_max(450'000);
              }),
              ElementsAre("lower gpus to 1 (300000)", "raise max price to 0.60 (600000)"));
}

TEST_F(RelaxationTest, SharesAndDiskShrinkToWhatTheLimitPays) {
  Node node = test_node(1, 300'000);
  node.offer.share_thousandths_min = 100;
  node.offer.disk_gb_hour = Micros(1'000);
  put(node);
  Demand demand = test_demand();
  demand.requirements.set_disk_mb(100'000);
  demand.requirements.set_price_per_hour_micros_max(350'000);
  EXPECT_THAT(told(demand),
              ElementsAre("lower device_share to 0.833 (349900)", "lower disk_gb to 50 (350000)",
                          "raise max price to 0.40 (400000)"));
}

TEST_F(RelaxationTest, SaysWhenWaitingHelps) {
  put(test_node(1, 300'000, {{.free_thousandths = 0}}));
  EXPECT_THAT(told(test_demand("gpu_ram>=24")),
              ElementsAre("wait: 1 matching offer is busy (300000)"));
  Node away = test_node(2, 200'000);
  away.connected = false;
  put(away);
  EXPECT_THAT(told(test_demand("gpu_ram>=24")),
              ElementsAre("wait: 2 matching offers are busy (200000)"));
  put(test_node(3, 100'000, {{.model = "RTX_3060", .memory_mb = 12'288}}));
  EXPECT_THAT(
      told(test_demand("gpu_ram>=24")),
      ElementsAre("lower gpu_ram to 12.288 (100000)", "wait: 2 matching offers are busy (200000)"));
}

TEST_F(RelaxationTest, IsSilentWhenOneChangeIsNotEnough) {
  put(test_node(1, 300'000));
  EXPECT_THAT(told(test_demand("gpu_ram>=80 region=us")), IsEmpty());
}

TEST_F(RelaxationTest, IsBoundedAndTheCheapestComeFirst) {
  for (std::uint64_t i = 0; i < 20; ++i) {
    Node node = test_node(i + 1, 1'000'000 - static_cast<std::int64_t>(i) * 1'000);
    node.facts.set_region(fmt::format("r{}", i));
    node.facts.set_download_mbps(100);
    put(node);
  }
  std::string query;
  for (std::size_t i = 0; i < 20; ++i) query += fmt::format("region!=r{} ", i);
  const auto relaxations = book_->relaxations(test_demand(query));
  ASSERT_EQ(relaxations.size(), kRelaxationsMax);
  EXPECT_EQ(relaxations.front().change(), "allow region r19");
  EXPECT_EQ(relaxations.front().field(), "region");
  EXPECT_EQ(relaxations.front().task_hour_micros(), 981'000);
  EXPECT_EQ(relaxations.back().change(), "allow region r12");
}

}  // namespace
}  // namespace fallow::core
