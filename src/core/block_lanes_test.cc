#include "core/block_lanes.h"

#include <gtest/gtest.h>

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
    const std::vector<LaneRow> rows{gate, row};
    const std::vector<RowTest> tests{{1, bound}, {0, bound}};
    const LaneMask left = random->below(std::numeric_limits<std::uint64_t>::max());
    EXPECT_EQ(sift_rows(rows.data(), tests.data(), 2, left),
              left & at_least & lanes_at_least(gate, bound));
    EXPECT_EQ(sift_rows(rows.data(), tests.data(), 0, left), left);
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
