// Many offers at few prices: what tells them apart is how likely their nodes are to last and what
// of them would be a fragment, and most are turned away unseen.
#include "core/block_outranked.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/env.h"
#include "base/sanitizers.h"
#include "core/block_book.h"
#include "core/book_test_nodes.h"
#include "core/naive_book.h"

namespace fallow::core {
namespace {

class LevelCrowd {
 public:
  explicit LevelCrowd(std::uint64_t seed) : random_(seeded_random(seed)) {
    scoring_.fragmentation_weight = 500;
    scoring_.survival_weight = 900;
    scoring_.locality_weight = 300;
    for (const std::uint32_t gpus : {1U, 1U, 1U, 2U, 4U, 8U}) {
      scoring_.mix.count({gpus, kWholeDevice}, 1, Time{});
    }
    scoring_.mix.count({1, 500}, 1, Time{});
    if (seed % 2 == 0) scoring_.survival.codes = {200, 190, 180, 170, 160};
    if (seed % 3 == 0) scoring_.start_cost = minutes(10);
    for (std::uint64_t id = 1; id <= kNodes; ++id) add(id);
  }

  void change() {
    Node& node = nodes_[below(nodes_.size())];
    load(node);
    fast_.update_load(node);
  }

  Demand make_demand() {
    Demand demand = test_demand("gpu_name=RTX_4090");
    v1::Requirements& wanted = demand.requirements;
    wanted.set_gpus(1U << below(4));
    wanted.set_objective(below(3) == 0 ? v1::COST_TO_COMPLETE : v1::CHEAPEST);
    wanted.set_duration_us(hours(static_cast<std::int64_t>(1 + below(100))).value);
    if (below(4) == 0) wanted.set_device_thousandths(500);
    if (below(3) == 0) wanted.set_disk_mb(10'000);
    if (below(3) == 0) wanted.set_near("eu");
    return demand;
  }

  const BlockBook& fast() const { return fast_; }
  const NaiveBook& naive() const { return naive_; }

 private:
  static constexpr std::uint64_t kNodes = 1'500;

  std::uint64_t below(std::uint64_t bound) { return random_->below(bound); }

  void add(std::uint64_t id) {
    // Some have more devices than there are entries.
    const std::size_t count = below(12) == 0 ? 20 : std::size_t{1} << below(4);
    std::vector<TestDevice> devices(count);
    if (below(8) == 0) devices.back().model = "RTX_3090";
    Node& node = nodes_.emplace_back(
        test_node(id, 300'000 + static_cast<std::int64_t>(below(2) * 1'000), devices));
    if (below(8) == 0) node.devices[0].facts.set_index(77);
    node.offer.disk_gb_hour = Micros(static_cast<std::int64_t>(100 - below(50)));
    node.offer.share_thousandths_min = 250;
    node.leases_kept = static_cast<std::uint32_t>(below(3) * 500);
    node.leases_broken = static_cast<std::uint32_t>(below(10));
    if (below(3) != 0) {
      for (SurvivalCode& code : node.survival.codes) {
        code = static_cast<SurvivalCode>(1 + below(255));
      }
      std::sort(node.survival.codes.begin(), node.survival.codes.end(), std::greater<>());
    }
    load(node);
    fast_.update(node);
    naive_.update(node);
  }

  void load(Node& node) {
    const bool even = below(4) != 0;
    for (NodeDevice& device : node.devices) {
      const std::uint64_t quarters = even ? below(2) * 4 : below(5);
      device.free_thousandths = static_cast<std::uint32_t>(quarters * 250);
    }
  }

  std::unique_ptr<Random> random_;
  Scoring scoring_;
  std::deque<Node> nodes_;
  BlockBook fast_{scoring_};
  NaiveBook naive_{scoring_};
};

TEST(BlockOutranked, AnswersAsTheNaiveTwinAtOnePrice) {
  std::size_t matches = 0;
  for (std::uint64_t seed = 1; seed <= 4 / kShorter; ++seed) {
    SCOPED_TRACE(seed);
    LevelCrowd crowd(seed);
    for (int round = 0; round < 50; ++round) {
      const Demand demand = crowd.make_demand();
      const auto actual = crowd.fast().match(demand);
      const auto expected = crowd.naive().match(demand);
      ASSERT_EQ(actual.has_value(), expected.has_value());
      if (actual) {
        ++matches;
        EXPECT_EQ(actual->node->id, expected->node->id) << demand.requirements.ShortDebugString();
        EXPECT_EQ(actual->devices, expected->devices);
      }
      for (int i = 0; i < 20; ++i) crowd.change();
    }
    crowd.fast().check();
  }
  EXPECT_GT(matches, 150U / kShorter) << "the questions are too hard to show anything";
}

// Whatever ranks before the rank to beat, or beside it, is kept; and much of the rest is not.
TEST(BlockOutranked, TurnsAwayOnlyWhatRanksBehind) {
  LevelCrowd crowd(8);
  std::size_t kept = 0;
  std::size_t turned_away = 0;
  std::size_t seen_before = 0;  // that left_of() turned away
  for (int round = 0; round < 20; ++round) {
    const Demand demand = crowd.make_demand();
    const BlockAsk ask = crowd.fast().prepare(demand);
    const OfferClass& of = *ask.classes().front();
    std::vector<Rank> ranks;
    const auto each = [&](auto&& visit) {
      BlockCursor cursor(of.now().root(), ask.sieve(), Micros(0));
      while (const Block* const block = cursor.next()) {
        const Sifted sifted = ask.sieve().sift(*block);
        visit(cursor, *block, sifted.may, [&](std::size_t lane) -> std::optional<Rank> {
          const bool surely = (sifted.sure & lane_bit(lane)) != 0;
          const auto candidate = ask.fit(*block, lane, of, false, surely);
          if (!candidate) return std::nullopt;
          const LaneOffer& offer = block->offers[lane];
          return ask.matcher().rank(offer.id, offer.reliability(), *candidate);
        });
      }
    };
    each([&](const BlockCursor&, const Block&, LaneMask lanes, auto&& rank_of) {
      for (LaneMask left = lanes; left != 0; left &= left - 1) {
        if (const auto rank = rank_of(first_lane(left))) ranks.push_back(*rank);
      }
    });
    if (ranks.empty()) continue;
    std::sort(ranks.begin(), ranks.end());
    const Rank best = ranks[ranks.size() / 10];
    Outranked outranked(ask, of);
    each([&](const BlockCursor& cursor, const Block& block, LaneMask lanes, auto&& rank_of) {
      const LaneMask before = outranked.left_of(block, cursor);
      EXPECT_EQ(before & ~block.used, 0U);
      seen_before += static_cast<std::size_t>(std::popcount(lanes & ~before));
      const LaneMask left = outranked.keep(block, cursor, lanes & before, best);
      EXPECT_EQ(left & ~lanes, 0U);
      kept += static_cast<std::size_t>(std::popcount(left));
      turned_away += static_cast<std::size_t>(std::popcount(lanes & ~left));
      for (LaneMask away = lanes & ~left; away != 0; away &= away - 1) {
        const auto rank = rank_of(first_lane(away));
        if (rank) {
          EXPECT_LT(best.first, rank->first);
        }
      }
    });
  }
  EXPECT_GT(seen_before, turned_away / 4);
  EXPECT_GT(turned_away, kept / 4) << "what is behind is looked at all the same";
}

TEST(BlockOutranked, TheCodesThatRankBehindAreTheFirstOnes) {
  Scoring scoring;
  scoring.survival_weight = 900;
  for (const v1::Objective objective : {v1::CHEAPEST, v1::COST_TO_COMPLETE}) {
    Demand demand = test_demand();
    demand.requirements.set_objective(objective);
    const Matcher matcher(demand, scoring);
    Candidate candidate = matcher.least(Micros(300'000), Micros(0), 1'000);
    const auto first = [&](std::uint32_t code) {
      candidate.lasting_ppm = survival_ppm(static_cast<SurvivalCode>(code));
      return matcher.rank(NodeId(1), kSurely, candidate).first;
    };
    for (std::uint32_t code = 1; code <= kSurelyCode; ++code) {
      // As good as the code itself ranks: those before it are behind, and no other.
      EXPECT_EQ(matcher.behind_up_to(candidate, first(code)), code - 1);
    }
    EXPECT_EQ(matcher.behind_up_to(candidate, first(kSurelyCode) - 1), kSurelyCode);
    EXPECT_EQ(matcher.behind_up_to(candidate, first(1)), 0U);
  }
}

}  // namespace
}  // namespace fallow::core
