#include "core/gang_relaxations.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/book_test_nodes.h"

namespace fallow::core {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class GangRelaxationTest : public testing::Test {
 protected:
  void put(Node node) {
    Node& kept = nodes_[node.id] = std::move(node);
    book_->update(kept);
  }
  // "change (what the dearest node costs)" of each.
  std::vector<std::string> told(std::uint32_t nodes, Demand demand) const {
    demand.requirements.set_nodes(nodes);
    std::vector<std::string> changes;
    for (const v1::Relaxation& relaxation : book_->relaxations(demand)) {
      changes.push_back(fmt::format("{} ({})", relaxation.change(), relaxation.task_hour_micros()));
    }
    return changes;
  }
  std::vector<std::string> told(std::uint32_t nodes, std::string_view query) const {
    return told(nodes, test_demand(query));
  }

  std::map<NodeId, Node> nodes_;
  std::unique_ptr<Book> book_ = make_book();
};

TEST_F(GangRelaxationTest, IsEmptyWhenTheGangMatches) {
  put(test_node(1, 300'000));
  put(test_node(2, 300'000));
  EXPECT_THAT(told(2, "gpu_ram>=24"), IsEmpty());
}

TEST_F(GangRelaxationTest, MovesAComparisonUntilTheLastMissingNodeFits) {
  put(test_node(1, 400'000, {{.memory_mb = 48'000}}));
  put(test_node(2, 300'000, {{.memory_mb = 24'000}}));
  put(test_node(3, 100'000, {{.memory_mb = 16'000}}));
  put(test_node(4, 200'000, {{.memory_mb = 12'000}}));
  EXPECT_THAT(told(2, "gpu_ram>=40"),
              ElementsAre("lower gpu_ram to 24 (400000)", "lower nodes to 1 (400000)"));
  EXPECT_THAT(told(3, "gpu_ram>=40"),
              ElementsAre("lower gpu_ram to 16 (400000)", "lower nodes to 1 (400000)"));
  EXPECT_THAT(told(5, "gpu_ram>=40"), ElementsAre("lower nodes to 1 (400000)"));
  EXPECT_THAT(told(2, "price<0.15"),
              ElementsAre("lower nodes to 1 (100000)", "raise price to 0.2 (200000)"));
}

TEST_F(GangRelaxationTest, NamesTheCheapestOneValueThatGivesNodesEnough) {
  put(test_node(1, 100'000, {{.model = "RTX_3060"}}));
  for (std::uint64_t id = 2; id <= 4; ++id) put(test_node(id, 300'000, {{.model = "RTX_3090"}}));
  for (std::uint64_t id = 5; id <= 7; ++id) put(test_node(id, 250'000, {{.model = "A100"}}));
  put(test_node(8, 500'000, {{.model = "H100"}}));
  EXPECT_THAT(told(3, "gpu_name=H100"),
              ElementsAre("accept gpu_name A100 (250000)", "lower nodes to 1 (500000)"))
      << "with the RTX 3060, the cheapest of all, there are two";
  EXPECT_THAT(told(3, "gpu_name=L40"), ElementsAre("accept gpu_name A100 (250000)"));
  EXPECT_THAT(told(3, "gpu_name notin [A100,RTX_3090]"),
              ElementsAre("allow gpu_name A100 (250000)", "lower nodes to 2 (500000)"));
}

TEST_F(GangRelaxationTest, NamesAnIdWhereOneNodeIsMissing) {
  put(test_node(1, 300'000));
  put(test_node(2, 200'000));
  put(test_node(3, 100'000));
  EXPECT_THAT(told(2, "node=1"),
              ElementsAre("accept node 2 (300000)", "lower nodes to 1 (300000)"));
  EXPECT_THAT(told(3, "node=1"), ElementsAre("lower nodes to 1 (300000)"));
}

TEST_F(GangRelaxationTest, OneSpellingOfAWordIsAsGoodAsAnother) {
  for (std::uint64_t id = 1; id <= 2; ++id) {
    Node node = test_node(id, 100'000 * static_cast<std::int64_t>(id));
    node.facts.set_lan(id == 1 ? "Rack 7" : "rack_7");
    put(node);
  }
  EXPECT_THAT(told(2, "lan=rack_8"), ElementsAre("accept lan rack_7 (200000)"));
}

TEST_F(GangRelaxationTest, NamesTheShareThatAllHaveRoomFor) {
  for (std::uint64_t id = 1; id <= 2; ++id) {
    Node node = test_node(id, id == 1 ? 300'000 : 400'000);
    node.offer.share_thousandths_min = 100;
    put(node);
  }
  Demand demand = test_demand();
  demand.requirements.set_price_per_hour_micros_max(350'000);
  EXPECT_THAT(told(2, demand),
              ElementsAre("lower nodes to 1 (300000)", "lower device_share to 0.875 (350000)",
                          "raise max price to 0.40 (400000)"));
  Node whole = test_node(1, 300'000);
  put(whole);
  EXPECT_THAT(told(2, demand),
              ElementsAre("lower nodes to 1 (300000)", "raise max price to 0.40 (400000)"))
      << "no share does for both";
}

TEST_F(GangRelaxationTest, NamesGpusTimeMemoryAndIsolation) {
  Node small = test_node(1, 300'000, {TestDevice{}, TestDevice{}});
  small.offer.share_thousandths_min = 1'000;
  small.offer.duration_max = minutes(90);
  small.facts.set_memory_mb(32'000);
  small.memory_mb_free = 32'000;
  put(small);
  Node large = test_node(2, 400'000, {TestDevice{}, TestDevice{}, TestDevice{}, TestDevice{}});
  large.offer.share_thousandths_min = 1'000;
  large.facts.set_isolation(v1::GVISOR);
  put(large);
  const auto with = [&](auto&& set) {
    Demand demand = test_demand();
    set(demand.requirements);
    return told(2, demand);
  };
  EXPECT_THAT(with([](auto& wanted) { wanted.set_price_per_hour_micros_max(350'000); }),
              ElementsAre("lower nodes to 1 (300000)", "raise max price to 0.40 (400000)"));
  EXPECT_THAT(with([](auto& wanted) { wanted.set_gpus(4); }),
              ElementsAre("lower gpus to 2 (800000)", "lower nodes to 1 (1600000)"));
  EXPECT_THAT(with([](auto& wanted) { wanted.set_duration_us(hours(2).value); }),
              ElementsAre("lower nodes to 1 (400000)", "lower hours to 1.5 (400000)"));
  EXPECT_THAT(with([](auto& wanted) { wanted.set_memory_mb(48'000); }),
              ElementsAre("lower nodes to 1 (400000)", "lower memory_gb to 32 (400000)"));
  EXPECT_THAT(with([](auto& wanted) { wanted.set_isolation_min(v1::GVISOR); }),
              ElementsAre("lower nodes to 1 (400000)", "accept isolation bubblewrap (400000)"));
}

TEST_F(GangRelaxationTest, SaysWhatTheSmallestGroupCosts) {
  for (std::uint64_t id = 1; id <= 3; ++id) {
    Node node = test_node(id, id == 1 ? 100'000 : 400'000, {{.memory_mb = 16'000}});
    if (id > 1) node.facts.set_lan("rack");
    put(node);
  }
  EXPECT_THAT(told(2, "gpu_ram>=24"), ElementsAre("lower gpu_ram to 16 (400000)"))
      << "the gang takes the rack, though another node is cheaper";
}

TEST_F(GangRelaxationTest, SaysHowManyAreBusy) {
  put(test_node(1, 300'000));
  put(test_node(2, 200'000, {{.free_thousandths = 0}}));
  EXPECT_THAT(told(2, ""),
              ElementsAre("lower nodes to 1 (300000)", "wait: 1 matching offer is busy (300000)"));
}

TEST_F(GangRelaxationTest, IsSilentOnDevicesWhereMoreOfThemMayBeTooMany) {
  put(test_node(1, 300'000, {{.memory_mb = 16'000}, {.memory_mb = 24'000}}));
  put(test_node(2, 300'000, {{.memory_mb = 16'000}}));
  EXPECT_THAT(told(2, "gpu_ram>=24 num_gpus=1"), ElementsAre("lower nodes to 1 (300000)"));
  EXPECT_THAT(told(2, "gpu_ram>=24 num_gpus>=1"),
              ElementsAre("lower gpu_ram to 16 (300000)", "lower nodes to 1 (300000)"));
}

TEST_F(GangRelaxationTest, ATermIsShortenedWithinItsBracketOnly) {
  for (std::uint64_t id = 1; id <= 2; ++id) {
    Node node = test_node(id, 300'000);
    node.offer.discounts = {0, 1'000, 2'000, 3'000};
    node.offer.duration_max = id == 1 ? hours(48) : hours(12);
    put(node);
  }
  Demand demand = test_demand();
  demand.requirements.set_tier(v1::RESERVED);
  demand.requirements.set_duration_us(hours(72).value);
  EXPECT_THAT(told(1, demand), ElementsAre("lower hours to 48 (270000)"));
  EXPECT_THAT(told(2, demand), IsEmpty()) << "12 hours have another price";
  Node longer = test_node(2, 300'000);
  longer.offer.discounts = {0, 1'000, 2'000, 3'000};
  longer.offer.duration_max = hours(36);
  put(longer);
  EXPECT_THAT(told(2, demand), ElementsAre("lower hours to 36 (270000)"));
}

}  // namespace
}  // namespace fallow::core
