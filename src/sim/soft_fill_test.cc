#include "sim/soft_fill.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

namespace fallow::sim {
namespace {

constexpr std::size_t kLevels = SoftFill::kLevels;

// Items of 3 cells that join at stage 1 and of 4 cells that join at stage 2.
struct Fixture {
  SoftFill fill{10, 2, {{1, 3}, {2, 4}}};
  std::vector<double> logs = std::vector<double>(2 * kLevels);
  std::array<double, kLevels> cells{};

  Fixture() {
    for (std::size_t k = 0; k < kLevels; ++k) {
      logs[k] = 0.2 * static_cast<double>(k) - 1;
      logs[kLevels + k] = 1.5 - 0.1 * static_cast<double>(k);
      cells[k] = 0.05 * static_cast<double>(k);
    }
  }
  double brute(std::size_t stage, std::size_t length, std::size_t k) const {
    double sum = 0;
    for (std::size_t a = 0; 3 * a <= length; ++a) {
      for (std::size_t b = 0; 3 * a + 4 * b <= length; ++b) {
        if ((stage < 1 && a > 0) || (stage < 2 && b > 0)) continue;
        const auto empty = static_cast<double>(length - 3 * a - 4 * b);
        sum += std::exp(static_cast<double>(a) * logs[k] +
                        static_cast<double>(b) * logs[kLevels + k] + empty * cells[k]);
      }
    }
    return std::log(sum);
  }
};

TEST(SoftFill, IsTheSumOverEveryMultiset) {
  Fixture f;
  f.fill.build(f.logs, f.cells, 2.0);
  for (std::size_t stage = 0; stage <= 2; ++stage) {
    for (std::size_t length = 0; length <= 10; ++length) {
      const SoftFill::Row worth = f.fill.worth(stage, length);
      for (std::size_t k = 0; k < kLevels; ++k) {
        EXPECT_NEAR(worth[k], 2.0 * f.brute(stage, length, k), 1e-12)
            << "stage " << stage << " length " << length << " level " << k;
      }
    }
  }
}

TEST(SoftFill, CountsAreTheGradient) {
  Fixture f;
  f.fill.build(f.logs, f.cells, 1.0);
  constexpr std::size_t kLevel = 5;
  f.fill.add_bins(2, 10, kLevel, 2);
  f.fill.add_bins(1, 7, kLevel, 3);
  std::vector<double> counts;
  f.fill.count_items(counts);
  constexpr double kStep = 1e-6;
  for (std::size_t entry = 0; entry < 2; ++entry) {
    double& log = f.logs[entry * kLevels + kLevel];
    const double middle = log;
    log = middle + kStep;
    const double above = 2 * f.brute(2, 10, kLevel) + 3 * f.brute(1, 7, kLevel);
    log = middle - kStep;
    const double below = 2 * f.brute(2, 10, kLevel) + 3 * f.brute(1, 7, kLevel);
    log = middle;
    EXPECT_NEAR(counts[entry * kLevels + kLevel], (above - below) / (2 * kStep), 1e-7);
    EXPECT_EQ(counts[entry * kLevels + kLevel + 1], 0);
  }
  f.fill.count_items(counts);  // the bins are forgotten
  for (const double count : counts) EXPECT_EQ(count, 0);
}

TEST(SoftFill, FarWorthsStayWithinADouble) {
  SoftFill fill(16, 1, {{1, 8}});
  const std::vector<double> logs(kLevels, 300);  // three times a gang's devices
  std::array<double, kLevels> cells{};
  cells.fill(1);
  fill.build(logs, cells, 1.0);
  EXPECT_NEAR(fill.worth(1, 16)[0], 600, 1e-9);
  EXPECT_NEAR(fill.worth(1, 15)[0], 307, 1e-9);
  EXPECT_NEAR(fill.worth(1, 7)[0], 7, 1e-9);
  EXPECT_NEAR(fill.worth(0, 16)[0], 16, 1e-9);
}

TEST(SoftFill, WithoutItemsOnlyCellsCount) {
  SoftFill fill(4, 1, {{1, 2}});
  const std::vector<double> none(kLevels, SoftFill::kNoItem);
  fill.build(none, std::array<double, kLevels>{}, 1.0);
  EXPECT_NEAR(fill.worth(1, 4)[3], 0, 1e-12);
}

}  // namespace
}  // namespace fallow::sim
