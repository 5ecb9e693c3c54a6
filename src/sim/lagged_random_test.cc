#include "sim/lagged_random.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <numeric>

namespace fallow::sim {
namespace {

using testing::ElementsAre;

// What a Go program prints for rand.New(rand.NewSource(seed)) and ten times Intn(100), Shuffle of
// 0..9, Perm(10), Int63.
TEST(LaggedRandom, DrawsAsGoDoes) {
  LaggedRandom random(42);
  std::array<std::uint32_t, 10> hundreds{};
  for (std::uint32_t& value : hundreds) value = random.below(100);
  EXPECT_THAT(hundreds, ElementsAre(5, 87, 68, 50, 23, 45, 57, 76, 28, 43));
  std::vector<int> cards(10);
  std::iota(cards.begin(), cards.end(), 0);
  random.shuffle(cards);
  EXPECT_THAT(cards, ElementsAre(6, 8, 5, 4, 9, 3, 0, 2, 1, 7));
  EXPECT_THAT(random.permutation(10), ElementsAre(6, 8, 7, 2, 5, 3, 4, 9, 0, 1));
  EXPECT_EQ(random.next_u63(), 1947031852228291041U);
}

TEST(LaggedRandom, FirstSeedIsTheKnownOne) {
  LaggedRandom random(1);
  std::array<std::uint32_t, 10> hundreds{};
  for (std::uint32_t& value : hundreds) value = random.below(100);
  EXPECT_THAT(hundreds, ElementsAre(81, 87, 47, 59, 81, 18, 25, 40, 56, 0));
}

TEST(LaggedRandom, SeedsWrapAndDiffer) {
  constexpr std::int64_t kModulus = 0x7FFFFFFF;
  EXPECT_EQ(LaggedRandom(5).next_u63(), LaggedRandom(5 + kModulus).next_u63());
  EXPECT_EQ(LaggedRandom(-1).next_u63(), LaggedRandom(kModulus - 1).next_u63());
  EXPECT_NE(LaggedRandom(5).next_u63(), LaggedRandom(6).next_u63());
  EXPECT_NE(LaggedRandom(0).next_u63(), 0U);
}

TEST(LaggedRandom, StaysBelowEveryBound) {
  LaggedRandom random(7);
  for (const std::uint32_t bound : {1U, 2U, 3U, 1000U, 0x7FFFFFFFU}) {
    for (int i = 0; i < 200; ++i) {
      EXPECT_LT(random.below(bound), bound);
      EXPECT_LT(random.below_by_product(bound), bound);
    }
  }
}

TEST(LaggedRandom, EmptyAndSingleNeedNoLuck) {
  LaggedRandom random(7);
  EXPECT_TRUE(random.permutation(0).empty());
  EXPECT_THAT(random.permutation(1), ElementsAre(0));
  std::vector<int> none;
  random.shuffle(none);
  EXPECT_TRUE(none.empty());
}

}  // namespace
}  // namespace fallow::sim
