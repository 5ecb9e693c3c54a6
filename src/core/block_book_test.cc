// Books large enough that blocks split, merge and stand under several levels of zones; and offers
// made to defeat the zones. What the book answers is the naive twin's answer throughout.
#include "core/block_book.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/sanitizers.h"
#include "core/book_test_nodes.h"
#include "core/naive_book.h"

namespace fallow::core {
namespace {

class Crowd {
 public:
  explicit Crowd(std::uint64_t seed) : random_(seeded_random(seed)) {}

  void add(std::uint64_t id) {
    Node& node = *(nodes_[NodeId(id)] = std::make_unique<Node>());
    constexpr std::array kModels = {"RTX_4090", "RTX_4090", "RTX_4090", "RTX_3090"};
    std::vector<TestDevice> devices(std::size_t{1} << random_->below(4));
    for (TestDevice& device : devices) device.model = kModels[random_->below(kModels.size())];
    if (random_->below(4) != 0) {
      for (TestDevice& device : devices) device.model = devices.front().model;
    }
    node = test_node(id, price(), devices);
    node.facts.set_region("region" + std::to_string(random_->below(400)));
    node.facts.set_download_mbps(static_cast<std::uint32_t>(random_->below(2'000)));
    node.offer.disk_gb_hour = disk_price(node);
    node.offer.share_thousandths_min = random_->below(2) == 0 ? 250 : 1'000;
    node.leases_broken = static_cast<std::uint32_t>(random_->below(4));
    load(node);
    fast_.update(node);
    naive_.update(node);
  }

  void step() {
    const NodeId id(1 + random_->below(kNodes));
    const auto at = nodes_.find(id);
    const std::uint64_t kind = random_->below(10);
    if (at == nodes_.end()) return add(id.value);
    Node& node = *at->second;
    if (kind == 0) {
      fast_.remove(id);
      naive_.remove(id);
      nodes_.erase(at);
    } else if (kind <= 3) {
      node.offer.device_hour = Micros(price());
      node.offer.disk_gb_hour = disk_price(node);
      fast_.update(node);
    } else {
      load(node);
      node.leases_kept += static_cast<std::uint32_t>(random_->below(2));
      fast_.update_load(node);
    }
  }

  void compare() {
    fast_.check();
    EXPECT_EQ(fast_.digest(), naive_.digest());
    constexpr std::array kQueries = {"",
                                     "gpu_name=RTX_4090",
                                     "gpu_name=RTX_3090 reliability>0.9 inet_down>=1000",
                                     "num_gpus>=4 region in [region1,region2,region300,region399]",
                                     "region notin [region1,region2,region300] inet_down<100",
                                     "price>0.3 price<=0.35 num_gpus=1",
                                     "gpu_name=RTX_4090 reliability>=0.949 inet_down>1500 node!=7",
                                     "node=17 provider=7"};
    for (const char* query : kQueries) {
      SCOPED_TRACE(query);
      Demand demand = test_demand(query);
      v1::Requirements& wanted = demand.requirements;
      wanted.set_gpus(1U << random_->below(4));
      wanted.set_objective(static_cast<v1::Objective>(random_->below(4)));
      if (random_->below(3) == 0) wanted.set_device_thousandths(500);
      if (random_->below(4) == 0) wanted.set_disk_mb(10'000);
      const auto actual = fast_.match(demand);
      const auto expected = naive_.match(demand);
      ASSERT_EQ(actual.has_value(), expected.has_value());
      if (!actual) continue;
      ++matches_;
      EXPECT_EQ(actual->node->id, expected->node->id);
      EXPECT_EQ(actual->devices, expected->devices);
      EXPECT_EQ(actual->rate_hour, expected->rate_hour);
    }
  }

  std::size_t matches() const { return matches_; }
  static constexpr std::uint64_t kNodes = 3'000;

 private:
  // Few prices, so that blocks are full of ties, and some at the ends of the range.
  std::int64_t price() {
    if (random_->below(50) == 0) return 0;
    if (random_->below(50) == 0) return 1'000'000'000'000;
    return random_->below(2) == 0 ? 300'000
                                  : 300'000 + static_cast<std::int64_t>(random_->below(90'000));
  }
  // Few as well: the least of a block is often that of several, and often that of one.
  static Micros disk_price(const Node& node) { return Micros(node.offer.device_hour.value % 7); }
  void load(Node& node) {
    const bool busy = random_->below(3) != 0;
    for (NodeDevice& device : node.devices) {
      device.free_thousandths =
          busy ? static_cast<std::uint32_t>(random_->below(5) * 250) : kWholeDevice;
    }
    node.connected = random_->below(20) != 0;
  }

  std::unique_ptr<Random> random_;
  std::map<NodeId, std::unique_ptr<Node>> nodes_;
  BlockBook fast_;
  NaiveBook naive_;
  std::size_t matches_ = 0;
};

TEST(BlockBook, AnswersAsTheNaiveTwinInACrowd) {
  Crowd crowd(5);
  for (std::uint64_t id = 1; id <= Crowd::kNodes; ++id) crowd.add(id);
  for (unsigned round = 0; round < 40 / kShorter; ++round) {
    SCOPED_TRACE(round);
    crowd.compare();
    if (testing::Test::HasFailure()) return;
    for (int i = 0; i < 400; ++i) crowd.step();
  }
  EXPECT_GT(crowd.matches(), 150U / kShorter) << "the questions are too hard to show anything";
}

// Filled in the order of prices, which makes the most blocks, and emptied in none: three levels of
// zones come and go.
TEST(BlockBook, GrowsAndShrinksByWholeLevels) {
  constexpr std::uint64_t kNodes = 80'000;
  std::deque<Node> nodes;
  BlockBook book;
  for (std::uint64_t id = 1; id <= kNodes; ++id) {
    book.update(nodes.emplace_back(test_node(id, static_cast<std::int64_t>(1'000 + id / 3))));
  }
  book.check();
  const Demand any = test_demand("gpu_name=RTX_4090");
  EXPECT_EQ(book.match(any)->node->id, NodeId(1));
  EXPECT_EQ(book.match(test_demand("price>=0.02"))->node->id, NodeId(57'000));
  const std::unique_ptr<Random> random = seeded_random(9);
  std::vector<std::uint64_t> order;
  for (std::uint64_t id = 1; id <= kNodes; ++id) order.push_back(id);
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random->below(i)]);
  while (!order.empty()) {
    book.remove(NodeId(order.back()));
    order.pop_back();
    if (order.size() % 20'000 != 10) continue;
    book.check();
    EXPECT_EQ(book.match(any)->node->id.value, *std::min_element(order.begin(), order.end()));
  }
  book.check();
  EXPECT_EQ(book.size(), 0U);
  EXPECT_FALSE(book.match(any));
}

// A lease that is told by its devices leaves what one leaves that is told by the whole node.
TEST(BlockBook, TakesAndGivesAsTheNodeSays) {
  const std::unique_ptr<Random> random = seeded_random(11);
  std::deque<Node> nodes;
  BlockBook by_node;
  BlockBook by_devices;
  for (std::uint64_t id = 1; id <= 500; ++id) {
    Node& node =
        nodes.emplace_back(test_node(id, static_cast<std::int64_t>(1'000 + random->below(200)),
                                     std::vector<TestDevice>(std::size_t{1} << random->below(4))));
    node.offer.spot = id % 5 == 0;  // such stand in two trees
    node.offer.spot_floor = Micros(node.offer.spot ? 500 : 0);
    if (id % 3 == 0) node.survival.codes = {250, 240, 230, 220, 210};
    by_node.update(node);
    by_devices.update(node);
  }
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 200; ++i) {
      Node& node = nodes[random->below(nodes.size())];
      std::uint64_t taken = 0;
      std::uint64_t given = 0;
      for (std::size_t at = 0; at < node.devices.size(); ++at) {
        std::uint32_t& free = node.devices[at].free_thousandths;
        if (random->below(2) == 0) continue;
        (free > 0 ? taken : given) |= std::uint64_t{1} << at;
        free = free > 0 ? 0 : kWholeDevice;
      }
      by_node.update_load(node);
      const BlockPlace place = by_devices.place_of(by_devices.slot_of(node.id));
      by_devices.take(place, taken);
      by_devices.give(place, given);
    }
    by_devices.check();
    EXPECT_EQ(by_devices.digest(), by_node.digest());
  }
}

// Whatever changes while it is on its way, and however far it is.
TEST(BlockBook, ASearchOnItsWayFindsWhatOneBegunNowFinds) {
  const std::unique_ptr<Random> random = seeded_random(12);
  std::deque<Node> nodes;
  BlockBook book;
  for (std::uint64_t id = 1; id <= 6'000; ++id) {
    Node& node =
        nodes.emplace_back(test_node(id, static_cast<std::int64_t>(100'000 + random->below(50'000)),
                                     std::vector<TestDevice>(std::size_t{1} << random->below(4))));
    node.facts.set_download_mbps(static_cast<std::uint32_t>(random->below(2'000)));
    node.leases_kept = static_cast<std::uint32_t>(random->below(100));
    for (NodeDevice& device : node.devices) {
      device.free_thousandths = random->below(4) == 0 ? kWholeDevice : 0;
    }
    book.update(node);
  }
  std::deque<Demand> demands;
  std::deque<BlockAsk> asks;
  for (const char* query : {"", "inet_down>=1900", "reliability>=0.97 price>=0.11",
                            "inet_down>=1000", "price<0.1002", "cpu_cores>=99"}) {
    for (const std::uint32_t gpus : {1U, 4U}) {
      for (const v1::Objective objective : {v1::CHEAPEST, v1::FASTEST}) {
        Demand& demand = demands.emplace_back(test_demand(query));
        demand.requirements.set_gpus(gpus);
        demand.requirements.set_objective(objective);
        asks.push_back(book.prepare(demand));
      }
    }
  }
  const auto change = [&] {
    Node& node = nodes[random->below(nodes.size())];
    std::uint32_t& free = node.devices[random->below(node.devices.size())].free_thousandths;
    free = free > 0 ? 0 : kWholeDevice;
    node.leases_kept += static_cast<std::uint32_t>(random->below(2));
    book.update_load(node);
  };
  std::size_t kept = 0;
  std::size_t found = 0;
  constexpr std::size_t kSearches = 4'000;
  for (std::size_t i = 0; i < kSearches; ++i) {
    const BlockAsk& ask = asks[random->below(asks.size())];
    BlockSearch search;
    book.begin(ask, search);
    for (std::uint64_t steps = random->below(4); steps > 0; --steps) {
      if (random->below(4) == 0) change();
      search.step();
    }
    if (random->below(4) == 0) change();
    kept += search.holds(ask) ? 1 : 0;
    const auto early = book.find(ask, search);
    const auto now = book.find(ask);
    ASSERT_EQ(early.has_value(), now.has_value());
    if (!now) continue;
    ++found;
    EXPECT_TRUE(early->place == now->place);
    // The answer of the next search is another one.
    Node& node = nodes[now->place.block().offers[now->place.lane()].id.value - 1];
    for (NodeDevice& device : node.devices) device.free_thousandths = 0;
    book.update_load(node);
    EXPECT_FALSE(search.holds(ask)) << "it has ended";
  }
  book.check();
  EXPECT_GT(kept, kSearches / 8);
  EXPECT_GT(found, kSearches / 8);
}

TEST(BlockBook, OffersThatEveryZonePassesAndNoOfferDoes) {
  std::deque<Node> nodes;
  BlockBook book;
  NaiveBook naive;
  const auto enter = [&](Node node) {
    book.update(nodes.emplace_back(std::move(node)));
    naive.update(nodes.back());
  };
  for (std::uint64_t id = 1; id <= 2'000; ++id) {
    Node node = test_node(id, static_cast<std::int64_t>(100'000 + id));
    // Each has three of the four things that are asked for.
    node.leases_kept = id % 4 == 0 ? 0 : 10'000;
    node.facts.set_download_mbps(id % 4 == 1 ? 10 : 10'000);
    node.facts.set_memory_mb(id % 4 == 2 ? 1'000 : 512'000);
    node.facts.set_region(id % 4 == 3 ? "us" : "eu");
    enter(node);
  }
  const Demand demand = test_demand("reliability>=0.99 inet_down>=5000 cpu_ram>=256 region=eu");
  EXPECT_FALSE(book.match(demand));
  EXPECT_FALSE(book.possible(demand));
  Node last = test_node(5'000, 900'000);
  last.leases_kept = 10'000;
  last.facts.set_download_mbps(5'000);
  last.facts.set_memory_mb(256'000);
  enter(last);
  EXPECT_EQ(book.match(demand)->node->id, NodeId(5'000));
  EXPECT_EQ(naive.match(demand)->node->id, NodeId(5'000));
}

// Half of 1001 micros and half of 1002 are both 501: the dearer ones are as cheap, and better.
TEST(BlockBook, PricesThatRoundToTheSameRateAreOnePrice) {
  for (const char* query : {"gpu_name=RTX_4090", ""}) {
    std::deque<Node> nodes;
    BlockBook book;
    for (std::uint64_t id = 1; id <= 600; ++id) {
      Node& node = nodes.emplace_back(test_node(id, id <= 500 ? 1'001 : 1'002));
      if (id % 5 == 0) node.devices[0].facts.set_model("RTX_3090");
      node.offer.share_thousandths_min = 500;
      node.leases_kept = id == 501 ? 500 : 0;
      book.update(node);
    }
    Demand demand = test_demand(query);
    demand.requirements.set_device_thousandths(500);
    EXPECT_EQ(book.match(demand)->node->id, NodeId(501));
    EXPECT_EQ(book.match(demand)->rate_hour, Micros(501));
  }
}

// Codes are coarse: what differs by the least unit on either side of the bound must be told apart.
TEST(BlockBook, ExactAtTheBound) {
  std::deque<Node> nodes;
  BlockBook book;
  for (std::uint64_t id = 1; id <= 200; ++id) {
    Node& node = nodes.emplace_back(test_node(id, static_cast<std::int64_t>(100'000 + id)));
    node.facts.set_memory_mb(static_cast<std::uint32_t>(63'900 + id));
    node.memory_mb_free = node.facts.memory_mb() - 50;
    node.leases_kept = 1'000;
    node.leases_broken = static_cast<std::uint32_t>(200 - id);
    book.update(node);
  }
  EXPECT_EQ(book.match(test_demand("cpu_ram>=64"))->node->id, NodeId(100));
  EXPECT_EQ(book.match(test_demand("cpu_ram>64.05"))->node->id, NodeId(151));
  EXPECT_EQ(book.match(test_demand("cpu_ram<=63.901"))->node->id, NodeId(1));
  EXPECT_FALSE(book.match(test_demand("cpu_ram<63.901")));
  EXPECT_EQ(book.match(test_demand("cpu_ram in [64.001,64.003]"))->node->id, NodeId(101));
  Demand demand = test_demand();
  demand.requirements.set_memory_mb(63'951);
  EXPECT_EQ(book.match(demand)->node->id, NodeId(101));
  for (const Node& node : nodes) {
    const std::string exact = number_text(Field::kReliability, reliability_ppm(node));
    EXPECT_EQ(book.match(test_demand("reliability>=" + exact))->node->id, node.id) << exact;
  }
}

TEST(BlockBook, NodesWithManyDevicesOrOddIndexesAreAskedThemselves) {
  std::deque<Node> nodes;
  BlockBook book;
  book.update(nodes.emplace_back(test_node(1, 100'000, std::vector<TestDevice>(70))));
  Demand demand = test_demand("num_gpus=70");
  demand.requirements.set_gpus(70);
  ASSERT_TRUE(book.match(demand));
  EXPECT_EQ(book.match(demand)->devices.size(), 70U);
  demand.requirements.set_gpus(71);
  EXPECT_FALSE(book.match(demand));

  Node& odd = nodes.emplace_back(test_node(2, 50'000, std::vector<TestDevice>(3)));
  odd.devices[0].facts.set_index(9);
  book.update(odd);
  demand = test_demand();
  demand.requirements.set_gpus(2);
  EXPECT_EQ(book.match(demand)->node->id, NodeId(2));
  EXPECT_EQ(book.match(demand)->devices, (DeviceIndexes{1, 2}));
  odd.devices[0].facts.set_index(0);
  book.update(odd);
  EXPECT_EQ(book.match(demand)->devices, (DeviceIndexes{0, 1}));
}

}  // namespace
}  // namespace fallow::core
