// The book and its naive twin, told the same changes and asked the same questions. Small ranges of
// every value, so that ties, near misses and full nodes are common.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/sanitizers.h"
#include "core/block_book.h"
#include "core/book_test_nodes.h"
#include "core/naive_book.h"
#include "core/price_index.h"

namespace fallow::core {
namespace {

class Lockstep {
 public:
  explicit Lockstep(std::uint64_t seed) : random_(seeded_random(seed)) {}

  void change_a_node() {
    if (one_in(20)) change_scoring();
    const NodeId id(1 + below(kNodes));
    if (below(8) == 0) {
      fast_.remove(id);
      naive_.remove(id);
      nodes_.erase(id);
      return;
    }
    std::unique_ptr<Node>& node = nodes_[id];
    bool only_load = false;
    if (!node) {
      node = std::make_unique<Node>(make_node(id));
    } else {
      only_load = change(*node);
    }
    if (only_load && one_in(2)) {
      fast_.update_load(*node);
      naive_.update_load(*node);
    } else {
      fast_.update(*node);
      naive_.update(*node);
    }
    fast_.check();
  }

  void ask() {
    Demand demand = make_demand();
    const std::array avoid{NodeId(1 + below(kNodes)), NodeId(1 + below(kNodes))};
    expect_same(fast_.match(demand), naive_.match(demand));
    demand.avoid = avoid;
    expect_same(fast_.match(demand), naive_.match(demand));
    const std::array barred{NodeId(1 + below(kNodes)), NodeId(1 + below(kNodes))};
    demand.barred = barred;
    expect_same(fast_.match(demand), naive_.match(demand));
    if (one_in(2)) demand.barred = {};
    if (one_in(2)) demand.avoid = {};
    demand.requirements.set_nodes(static_cast<std::uint32_t>(1 + below(5)));
    ask_for_gang(demand);
    EXPECT_EQ(fast_.possible(demand), naive_.possible(demand));
    demand.barred = {};
    EXPECT_EQ(fast_.size(), naive_.size());
    EXPECT_EQ(fast_.digest(), naive_.digest());
    ask_for_list(demand);
  }

  void ask_for_relaxations() { compare_relaxations(make_demand()); }
  void ask_for_relaxations_of_a_gang() {
    Demand demand = make_demand();
    demand.requirements.set_nodes(static_cast<std::uint32_t>(2 + below(3)));
    compare_relaxations(demand);
  }

  std::size_t matches() const { return matches_; }
  std::size_t gangs() const { return gangs_; }
  std::size_t relaxations() const { return relaxations_; }

 private:
  void compare_relaxations(const Demand& demand) {
    const auto expected = naive_.relaxations(demand);
    const auto actual = fast_.relaxations(demand);
    ASSERT_EQ(actual.size(), expected.size()) << told(demand) << "naive:\n"
                                              << told(expected) << "fast:\n"
                                              << told(actual);
    for (std::size_t i = 0; i < actual.size(); ++i) {
      EXPECT_EQ(actual[i].SerializeAsString(), expected[i].SerializeAsString())
          << told(demand) << "naive:\n"
          << told(expected) << "fast:\n"
          << told(actual);
    }
    relaxations_ += actual.size();
  }

  static constexpr std::uint64_t kNodes = 24;
  static constexpr std::array kTerms = {minutes(59), hours(1),   hours(23),
                                        hours(24),   hours(168), hours(720)};

  std::uint64_t below(std::uint64_t bound) { return random_->below(bound); }
  bool one_in(std::uint64_t n) { return below(n) == 0; }
  template <class T, std::size_t kSize>
  T pick(const std::array<T, kSize>& values) {
    return values[below(kSize)];
  }

  void change_scoring() {
    scoring_.start_cost = Duration(static_cast<std::int64_t>(below(3) * 1'800'000'000));
    scoring_.survival = survival();
    scoring_.fragmentation_weight = static_cast<std::uint32_t>(below(3) * 500);
    scoring_.survival_weight = static_cast<std::uint32_t>(below(3) * 900);
    scoring_.locality_weight = static_cast<std::uint32_t>(below(3) * 700);
    scoring_.scarcity_weight = static_cast<std::uint32_t>(below(3) * 800);
    scoring_.use_target = 7'000;
    scoring_.now = Time{5};
    scoring_.expected_until = Time{static_cast<std::int64_t>(5 + below(2))};
    for (PriceIndex& index : indexes_) {
      index.expected_use_basis_points = static_cast<std::uint32_t>(below(4) * 4'000);
      index.expected_until = scoring_.expected_until;
    }
    if (one_in(2)) {
      scoring_.mix.count(
          {static_cast<std::uint32_t>(1 + below(5)), pick(std::array{1'000U, 1'000U, 500U, 250U})},
          static_cast<std::uint32_t>(1 + below(8)), Time{0});
    }
    scoring_.speeds.set(pick(std::array{"RTX_3060", "RTX_3090", "RTX_4090", "Mystery"}),
                        static_cast<v1::WorkloadClass>(1 + below(kWorkloadClasses)),
                        static_cast<std::uint32_t>(below(4) * 700));
    fast_.speeds_changed();
    naive_.speeds_changed();
  }

  Survival survival() {
    Survival survival;
    if (one_in(2)) return survival;
    for (SurvivalCode& code : survival.codes) {
      code = static_cast<SurvivalCode>(1 + below(4) * 80);
    }
    std::sort(survival.codes.begin(), survival.codes.end(), std::greater<>());
    return survival;
  }

  void set_devices(Node& node) {
    struct Model {
      const char* name;
      std::uint32_t memory_mb;
    };
    constexpr std::array<Model, 5> kModels = {{{"RTX_3060", 12'288},
                                               {"RTX_3090", 24'576},
                                               {"RTX_4090", 24'564},
                                               {"Mystery", 16'000},
                                               {"Mystery", 48'000}}};
    node.devices.clear();
    const std::uint64_t count = below(5);
    Model model = pick(kModels);
    for (std::uint64_t i = 0; i < count; ++i) {
      if (one_in(3)) model = pick(kModels);
      NodeDevice& device = node.devices.emplace_back();
      device.facts.set_index(static_cast<std::uint32_t>(i));
      device.facts.set_model(model.name);
      device.facts.set_memory_mb(model.memory_mb);
      device.facts.set_kind(one_in(8) ? v1::CPU : v1::GPU);
    }
  }

  void set_load(Node& node) {
    for (NodeDevice& device : node.devices) {
      device.free_thousandths =
          one_in(2) ? kWholeDevice : static_cast<std::uint32_t>(below(5) * 250);
    }
    node.cpu_thousandths_free =
        node.facts.cpu_thousandths() - static_cast<std::uint32_t>(below(2) * 1'000);
    node.memory_mb_free = node.facts.memory_mb() - static_cast<std::uint32_t>(below(3) * 8);
    node.disk_mb_free = node.facts.disk_mb() - static_cast<std::uint32_t>(below(3) * 10);
    node.connected = !one_in(10);
    node.owner = one_in(10) ? v1::OWNER_PRESENT : v1::OWNER_AWAY;
  }

  void set_price(Node& node) {
    const Micros device_hour(static_cast<std::int64_t>(below(6) * 100));
    const Micros disk_gb_hour(static_cast<std::int64_t>(below(3) * 1'000));
    const Micros egress_gb(static_cast<std::int64_t>(below(3) * 50));
    Discounts discounts{};
    if (one_in(2)) {
      for (std::uint16_t& discount : discounts)
        discount = static_cast<std::uint16_t>(below(4) * 1'250);
      std::sort(discounts.begin(), discounts.end());
    }
    if (device_hour > node.offer.device_hour || disk_gb_hour > node.offer.disk_gb_hour ||
        egress_gb > node.offer.egress_gb || discounts < node.offer.discounts) {
      const FormerPrice former{now_, node.offer.device_hour, node.offer.disk_gb_hour,
                               node.offer.discounts, node.offer.egress_gb};
      if (node.offer.former.size() < kFormerPricesMax) node.offer.former.push_back(former);
    } else if (one_in(2)) {
      node.offer.former.clear();
    }
    node.offer.device_hour = device_hour;
    node.offer.disk_gb_hour = disk_gb_hour;
    node.offer.egress_gb = egress_gb;
    node.offer.discounts = discounts;
    node.offer.spot = one_in(2);
    node.offer.spot_floor = Micros(node.offer.spot ? static_cast<std::int64_t>(below(5) * 80) : 0);
    node.counted.index = one_in(3) ? nullptr : &indexes_[below(indexes_.size())];
    node.offer.id = OfferId(one_in(12) ? 0 : 1);
    node.offer.share_thousandths_min = pick(std::array{100U, 250U, 500U, 1'000U, 1'000U});
    node.offer.duration_max = Duration(static_cast<std::int64_t>(below(3) * 3'600));
    if (one_in(3)) node.offer.duration_max = pick(kTerms);
  }

  Node make_node(NodeId id) {
    Node node;
    node.id = id;
    node.provider = AccountId(1 + below(2));
    node.facts.set_region(pick(std::array{"eu", "us", "ap", ""}));
    node.facts.set_lan(pick(std::array{"", "", "rack-1", "Rack 2", "rack_1"}));
    node.facts.set_rack(pick(std::array{"", "", "a", "A", "b"}));
    node.facts.set_cpu_thousandths(static_cast<std::uint32_t>((1 + below(3)) * 1'000));
    node.facts.set_memory_mb(static_cast<std::uint32_t>((2 + below(2)) * 16));
    node.facts.set_disk_mb(static_cast<std::uint32_t>((2 + below(2)) * 20));
    node.facts.set_isolation(pick(std::array{v1::BUBBLEWRAP, v1::GVISOR}));
    node.facts.set_images(one_in(2));
    node.facts.set_network(pick(std::array{v1::NETWORK_NONE, v1::EGRESS}));
    node.leases_kept = static_cast<std::uint32_t>(below(2) * 20);
    node.survival = survival();
    set_devices(node);
    set_price(node);
    set_load(node);
    return node;
  }

  // Says whether only what update_load() is for has changed.
  bool change(Node& node) {
    now_ = now_ + Duration(1);
    const std::uint64_t kind = below(5);
    switch (kind) {
      case 0:
        set_devices(node);
        break;
      case 1:
      case 2:
        set_price(node);
        break;
      case 3:
        set_load(node);
        break;
      default:
        node.leases_broken += static_cast<std::uint32_t>(below(2));
    }
    if (kind < 3 && one_in(4)) node.survival = survival();
    if (kind < 3 && one_in(4)) node.facts.set_lan(one_in(2) ? "rack-1" : "rack_1");
    if (kind < 3 && one_in(4)) node.facts.set_rack(one_in(2) ? "a" : "");
    node.removed = one_in(20);
    return kind >= 3;
  }

  Demand make_demand() {
    constexpr std::array kConditions = {"gpu_name=RTX_4090",
                                        "gpu_name in [RTX_3090,Mystery]",
                                        "gpu_name!=RTX_3060",
                                        "gpu_name notin [RTX_3090,RTX_4090]",
                                        "gpu_ram>=24",
                                        "gpu_ram<16",
                                        "gpu_ram in [48,12.288]",
                                        "num_gpus>=2",
                                        "num_gpus=1",
                                        "num_gpus in [3,1]",
                                        "price<=0.0003",
                                        "price>0.0001",
                                        "reliability>0.96",
                                        "region=eu",
                                        "region in [us,ap]",
                                        "region!=eu",
                                        "region notin [eu,us]",
                                        "cpu_cores>=2",
                                        "cpu_ram>0.032",
                                        "disk_space=0.06",
                                        "isolation>=gvisor",
                                        "isolation!=gvisor",
                                        "images=true",
                                        "images in [false]",
                                        "device_kind=any",
                                        "device_kind=cpu",
                                        "device_kind!=gpu",
                                        "node>12",
                                        "node!=3",
                                        "provider=1",
                                        "lan=rack-1",
                                        "lan notin [rack-1,rack_2]",
                                        "rack=a",
                                        "rack!=b",
                                        "egress_price<=0.00005",
                                        "egress_price in [0,0.0001]"};
    std::string text;
    for (std::uint64_t n = below(4); n > 0; --n) text += std::string(pick(kConditions)) + " ";
    Demand demand = test_demand(text);
    v1::Requirements& wanted = demand.requirements;
    wanted.set_query(text);
    wanted.set_objective(static_cast<v1::Objective>(below(4)));
    wanted.set_workload_class(static_cast<v1::WorkloadClass>(below(1 + kWorkloadClasses)));
    if (one_in(2)) wanted.set_gpus(static_cast<std::uint32_t>(below(4)));
    if (one_in(2)) {
      wanted.set_device_thousandths(pick(std::array{100U, 250U, 333U, 500U, 750U, 1'000U}));
    }
    if (one_in(3)) wanted.set_duration_us(static_cast<std::int64_t>(below(3) * 3'600));
    if (one_in(6)) wanted.set_duration_us(pick(kTerms).value);
    if (one_in(3)) wanted.set_near(pick(std::array{"EU", "us", "nowhere"}));
    if (one_in(3)) {
      wanted.set_tier(v1::RESERVED);
      wanted.set_duration_us(pick(kTerms).value);
    }
    if (one_in(4)) {
      wanted.set_tier(v1::SPOT);
      demand.at_floor = one_in(3);
    }
    if (one_in(3)) wanted.set_memory_mb(static_cast<std::uint32_t>(below(6) * 10));
    if (one_in(3)) wanted.set_cpu_thousandths(static_cast<std::uint32_t>(below(4) * 1'000));
    if (one_in(3)) wanted.set_disk_mb(static_cast<std::uint32_t>(below(7) * 10));
    if (one_in(4)) {
      wanted.set_network(v1::EGRESS);
      wanted.set_egress_mb_max(static_cast<std::uint32_t>(below(2)));
      if (one_in(2)) demand.egress_gb_max = Micros(static_cast<std::int64_t>(below(3) * 50));
    }
    if (one_in(4)) wanted.set_isolation_min(pick(std::array{v1::RUNC, v1::GVISOR, v1::MICROVM}));
    if (one_in(3)) wanted.set_price_per_hour_micros_max(static_cast<std::int64_t>(below(800)));
    if (one_in(3)) demand.rate_hour_max = Micros(static_cast<std::int64_t>(below(800)));
    if (one_in(2)) demand.quoted_at = now_ - Duration(static_cast<std::int64_t>(below(50)));
    return demand;
  }

  void ask_for_gang(const Demand& demand) {
    const std::vector<Placement> expected = naive_.match_gang(demand);
    const std::vector<Placement> actual = fast_.match_gang(demand);
    ASSERT_EQ(actual.size(), expected.size()) << told(demand);
    for (std::size_t i = 0; i < actual.size(); ++i) expect_same(actual[i], expected[i]);
    gangs_ += actual.size() > 1 ? 1 : 0;
  }

  void ask_for_list(const Demand& demand) {
    constexpr std::array kOrders = {"",
                                    "",
                                    "price",
                                    "gpu_ram-,price",
                                    "region,reliability-",
                                    "gpu_name-,num_gpus",
                                    "node-",
                                    "isolation,device_kind",
                                    "egress_price-"};
    QueryError error;
    ListOptions options;
    options.free_only = one_in(2);
    options.count_max = 1 + below(12);
    options.order = *parse_order(pick(kOrders), error);
    for (int pages = 0; pages < 4; ++pages) {
      const std::vector<Placement> expected = naive_.list(demand, options);
      const std::vector<Placement> actual = fast_.list(demand, options);
      ASSERT_EQ(actual.size(), expected.size()) << told(demand);
      for (std::size_t i = 0; i < actual.size(); ++i) expect_same(actual[i], expected[i]);
      if (actual.empty()) break;
      options.after = cursor_of(demand, scoring_, options.order, actual.back());
    }
  }

  void expect_same(const std::optional<Placement>& actual,
                   const std::optional<Placement>& expected) {
    ASSERT_EQ(actual.has_value(), expected.has_value());
    if (!actual) return;
    ++matches_;
    EXPECT_EQ(actual->node, expected->node);
    EXPECT_EQ(actual->devices, expected->devices);
    EXPECT_EQ(actual->device_hour, expected->device_hour);
    EXPECT_EQ(actual->disk_gb_hour, expected->disk_gb_hour);
    EXPECT_EQ(actual->rate_hour, expected->rate_hour);
    EXPECT_EQ(actual->egress_gb, expected->egress_gb);
    EXPECT_EQ(actual->free, expected->free);
    EXPECT_EQ(actual->list_hour, expected->list_hour);
    EXPECT_EQ(actual->discounts, expected->discounts);
  }

  static std::string told(const Demand& demand) {
    return demand.requirements.ShortDebugString() + " rate_hour_max " +
           std::to_string(demand.rate_hour_max.value) + "\n";
  }
  static std::string told(const std::vector<v1::Relaxation>& relaxations) {
    std::string text;
    for (const v1::Relaxation& relaxation : relaxations)
      text += relaxation.ShortDebugString() + "\n";
    return text;
  }

  std::unique_ptr<Random> random_;
  Time now_{1'000};
  std::array<PriceIndex, 2> indexes_{PriceIndex{.spot = Micros(130)}, PriceIndex{}};
  std::map<NodeId, std::unique_ptr<Node>> nodes_;
  Scoring scoring_;
  BlockBook fast_{scoring_};
  NaiveBook naive_{scoring_};
  std::size_t matches_ = 0;
  std::size_t gangs_ = 0;
  std::size_t relaxations_ = 0;
};

TEST(BookLockstep, AnswersAsTheNaiveTwin) {
  std::size_t matches = 0;
  std::size_t gangs = 0;
  for (std::uint64_t seed = 1; seed <= 480 / kShorter; ++seed) {
    SCOPED_TRACE(seed);
    Lockstep lockstep(seed);
    for (int step = 0; step < 60; ++step) {
      lockstep.change_a_node();
      lockstep.ask();
      if (testing::Test::HasFailure()) return;
    }
    matches += lockstep.matches();
    gangs += lockstep.gangs();
  }
  EXPECT_GT(gangs, 1'200U / kShorter) << "the questions are too hard to show anything";
  EXPECT_GT(matches, 12'000U / kShorter) << "the questions are too hard to show anything";
}

TEST(BookLockstep, RelaxesAsTheNaiveTwin) {
  std::size_t relaxations = 0;
  for (std::uint64_t seed = 1; seed <= 140 / kShorter; ++seed) {
    SCOPED_TRACE(seed);
    Lockstep lockstep(seed);
    for (int step = 0; step < 50; ++step) {
      lockstep.change_a_node();
      if (step % 2 == 1) lockstep.ask_for_relaxations();
      if (testing::Test::HasFailure()) return;
    }
    relaxations += lockstep.relaxations();
  }
  EXPECT_GT(relaxations, 1'500U / kShorter) << "the questions are too easy to show anything";
}

TEST(BookLockstep, RelaxesGangsAsTheNaiveTwin) {
  std::size_t relaxations = 0;
  for (std::uint64_t seed = 1; seed <= 60 / kShorter; ++seed) {
    SCOPED_TRACE(seed);
    Lockstep lockstep(seed);
    for (int step = 0; step < 50; ++step) {
      lockstep.change_a_node();
      if (step % 3 == 2) lockstep.ask_for_relaxations_of_a_gang();
      if (testing::Test::HasFailure()) return;
    }
    relaxations += lockstep.relaxations();
  }
  EXPECT_GT(relaxations, 200U / kShorter) << "the questions are too hard to show anything";
}

}  // namespace
}  // namespace fallow::core
