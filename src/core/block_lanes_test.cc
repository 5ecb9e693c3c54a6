#include "core/block_lanes.h"

#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <memory>
#include <vector>

#include "base/env.h"
#include "core/block_columns.h"

namespace fallow::core {
namespace {

LaneRow row_of(Random& random, std::uint64_t below) {
  LaneRow row;
  for (Code& code : row.at) code = static_cast<Code>(random.below(below));
  return row;
}

TEST(BlockLanes, ComparesAsALoopDoes) {
  const std::unique_ptr<Random> random = seeded_random(3);
  for (int round = 0; round < 2'000; ++round) {
    const std::uint64_t below = round % 2 == 0 ? 256 : 4;
    const LaneRow row = row_of(*random, below);
    const LaneRow gate = row_of(*random, below);
    const auto bound = static_cast<Code>(random->below(below));
    LaneMask at_least = 0;
    LaneMask at_most = 0;
    LaneMask equal = 0;
    Code most = 0;
    Code most_turned = 0;
    for (std::size_t i = 0; i < kLanes; ++i) {
      if (row.at[i] >= bound) at_least |= lane_bit(i);
      if (row.at[i] <= bound) at_most |= lane_bit(i);
      if (row.at[i] == bound) equal |= lane_bit(i);
      if (gate.at[i] < bound) continue;
      most = std::max(most, row.at[i]);
      most_turned = std::max(most_turned, static_cast<Code>(kCodeMax - row.at[i]));
    }
    EXPECT_EQ(lanes_at_least(row, bound), at_least);
    EXPECT_EQ(lanes_at_most(row, bound), at_most);
    EXPECT_EQ(lanes_equal(row, bound), equal);
    EXPECT_EQ(greatest_where(row, gate, bound, false), most);
    EXPECT_EQ(greatest_where(row, gate, bound, true), most_turned);
    LaneMask alike = 0;
    FourCompared compared{0, 0};
    const std::array<Code, 4> four{gate.at[0], gate.at[1], gate.at[2], gate.at[3]};
    for (std::size_t i = 0; i < kLanes; ++i) {
      if (row.at[i] % 64 == bound % 64) alike |= lane_bit(i);
      if (i >= 32) continue;
      if (row.at[i] == four[i % 4]) compared.equal |= 1U << i;
      if (row.at[i] < four[i % 4]) compared.below |= 1U << i;
    }
    EXPECT_EQ(lanes_alike(row, bound, 64), alike);
    for (const bool up : {false, true}) {
      LaneRow shifted = row;
      shift_codes(shifted, bound, up);
      for (std::size_t i = 0; i < kLanes; ++i) {
        const int by = row.at[i] < bound ? 0 : up ? 1 : -1;
        EXPECT_EQ(shifted.at[i], static_cast<Code>(row.at[i] + by));
      }
    }
    EXPECT_EQ(compare_four(row, four).equal, compared.equal);
    EXPECT_EQ(compare_four(row, four).below, compared.below);
  }
}

// Whatever vectors there are: the same as one lane after the other.
TEST(BlockLanes, SearchesAsALoopDoes) {
  const std::unique_ptr<Random> random = seeded_random(5);
  for (int round = 0; round < 2'000; ++round) {
    const std::uint64_t below = round % 2 == 0 ? 256 : 4;
    const std::vector<LaneRow> rows{row_of(*random, below), row_of(*random, below),
                                    row_of(*random, 256)};
    const auto code = [&] { return static_cast<Code>(random->below(below)); };
    const LaneMask left = random->below(std::numeric_limits<std::uint64_t>::max());
    const std::vector<RowTest> row_tests{{1, code()}, {0, code()}};
    std::vector<LaneTest> lane_tests;
    for (std::uint8_t i = 0; i < 3; ++i) {
      const Code least = code();
      const Code turn = i == 2 ? kCodeMax : 0;
      const auto just_below =
          static_cast<Code>(least > 0 && random->below(2) == 0 ? least - 1 : least);
      lane_tests.push_back({static_cast<std::uint8_t>(i % 2), turn, least, just_below});
    }
    SetTest set{2, {}, {}};
    for (int i = 0; i < 200; ++i) {
      const auto may = static_cast<Code>(random->below(256));
      set.may.add(may);
      if (i % 2 == 0) set.sure.add(may);
    }
    NumberRow numbers;
    for (std::uint32_t& number : numbers.at) {
      number =
          static_cast<std::uint32_t>(random->below(std::uint64_t{1} << (1 + random->below(32))));
    }
    const std::uint32_t low = numbers.at[0];
    const std::uint32_t high = numbers.at[1];

    LaneMask rows_left = 0;
    Sifted sifted{0, 0};
    LaneMask within = 0;
    for (LaneMask at = left; at != 0; at &= at - 1) {
      const std::size_t lane = first_lane(at);
      bool passes = true;
      for (const RowTest& test : row_tests) passes &= rows[test.row].at[lane] >= test.code;
      if (passes) rows_left |= lane_bit(lane);
      bool may = set.may.has(rows[2].at[lane]);
      bool sure = set.sure.has(rows[2].at[lane]);
      for (const LaneTest& test : lane_tests) {
        const Code value = rows[test.row].at[lane] ^ test.turn;
        may &= value >= test.code;
        sure &= value > test.below;
      }
      if (may) sifted.may |= lane_bit(lane);
      if (may && sure) sifted.sure |= lane_bit(lane);
      if (numbers.at[lane] >= low && numbers.at[lane] <= high) within |= lane_bit(lane);
    }
    CodesByCount bounds;
    for (Code& bound : bounds) bound = code();
    const LaneRow counts = row_of(*random, below == 4 ? 256 : 24);
    const Code unknown = code();
    LaneMask above = 0;
    for (LaneMask at = left; at != 0; at &= at - 1) {
      const std::size_t lane = first_lane(at);
      const Code known = rows[0].at[lane] == 0 ? unknown : rows[0].at[lane];
      const std::size_t count = counts.at[lane] < kCounts ? counts.at[lane] : kCounts - 1;
      if (known > bounds[count]) above |= lane_bit(lane);
    }
    LaneRow order;
    for (std::size_t i = 0; i < kLanes; ++i) order.at[i] = static_cast<Code>((i * 37 + 5) % kLanes);
    for (const LaneSearch& search : lane_searches()) {
      EXPECT_EQ(search.sift_rows(rows.data(), row_tests.data(), 2, left), rows_left);
      EXPECT_EQ(search.sift_rows(rows.data(), row_tests.data(), 0, left), left);
      const Sifted actual =
          search.sift_lanes(rows.data(), {lane_tests.data(), lane_tests.size(), &set, 1}, left);
      EXPECT_EQ(actual.may, sifted.may);
      EXPECT_EQ(actual.sure, sifted.sure);
      EXPECT_EQ(search.sift_lanes(rows.data(), {nullptr, 0, nullptr, 0}, left).sure, left);
      EXPECT_EQ(search.keep_within(numbers, low, high, left), within);
      EXPECT_EQ(search.keep_above(rows[0], unknown, counts, bounds, left), above);
      std::size_t least = first_lane(left);
      for (std::size_t i = 0; i < kLanes; ++i) {
        if ((left >> i & 1U) != 0 && order.at[i] < order.at[least]) least = i;
      }
      EXPECT_EQ(search.least_lane(order, left), least);
    }
  }
}

TEST(BlockLanes, CodesNeverDescend) {
  const std::unique_ptr<Random> random = seeded_random(4);
  const auto check = [](Column column, std::uint64_t a, std::uint64_t b) {
    EXPECT_LE(code_of(column, a), code_of(column, b))
        << "column " << index_of(column) << " from " << a << " to " << b;
  };
  for (std::size_t i = 0; i < kColumns; ++i) {
    const auto column = static_cast<Column>(i);
    if (column == Column::kProvider || column == Column::kNode) continue;
    for (std::uint64_t value = 0; value < 100'000; ++value) check(column, value, value + 1);
    for (int round = 0; round < 20'000; ++round) {
      const std::uint64_t value = random->below(std::uint64_t{1} << (1 + random->below(62)));
      check(column, value, value + random->below(value + 1));
    }
    check(column, 0, std::numeric_limits<std::uint64_t>::max());
  }
}

TEST(BlockLanes, CodesTellTheGoodOnesApart) {
  const auto reliability = [](std::uint64_t ppm) { return code_of(Column::kReliability, ppm); };
  EXPECT_LT(reliability(949'000), reliability(951'000));
  EXPECT_LT(reliability(990'000), reliability(991'000));
  EXPECT_LT(reliability(0), reliability(100'000));
  EXPECT_LT(code_of(Column::kDownload, 900), code_of(Column::kDownload, 1'000));
  EXPECT_LT(code_of(Column::kMemory, 60'000), code_of(Column::kMemory, 64'000));
}

}  // namespace
}  // namespace fallow::core
