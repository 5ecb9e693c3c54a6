#include "sim/exact_math.h"

#include <gtest/gtest.h>

#include <cmath>

namespace fallow::sim {
namespace {

TEST(ExactMath, ExpIsWithinAFewBits) {
  for (double x = -690; x < 690; x += 0.37) {
    EXPECT_NEAR(exact_exp(x) / std::exp(x), 1, 2e-15) << x;
  }
}

TEST(ExactMath, LogIsWithinAFewBits) {
  for (double x = 1e-300; x < 1e300; x *= 1.73) {
    const double expected = std::log(x);
    EXPECT_NEAR(exact_log(x), expected, 1e-15 * (1 + std::abs(expected))) << x;
  }
}

TEST(ExactMath, EdgesAreDefined) {
  EXPECT_EQ(exact_exp(0), 1);
  EXPECT_EQ(exact_log(1), 0);
  EXPECT_EQ(exact_exp(-701), 0);
  EXPECT_EQ(exact_exp(1e6), exact_exp(700));
  EXPECT_TRUE(std::isfinite(exact_exp(1e300)));
  // FGD's scores hang on this: next to 0 the exponential is 1 + x, rounded once.
  EXPECT_EQ(exact_exp(1e-15), 1 + 1e-15);
  EXPECT_EQ(exact_exp(-1e-15), 1 - 1e-15);
}

// The same bits in every build and on every machine.
TEST(ExactMath, BitsAreKnown) {
  EXPECT_EQ(exact_exp(1), 0x1.5bf0a8b14576ap+1);
  EXPECT_EQ(exact_exp(-37.5), 0x1.dd5c566301ec8p-55);
  EXPECT_EQ(exact_exp(123.456), 0x1.1428e1cbc0143p+178);
  EXPECT_EQ(exact_log(2), 0x1.62e42fefa39efp-1);
  EXPECT_EQ(exact_log(0.1), -0x1.26bb1bbb55515p+1);
  EXPECT_EQ(exact_log(12345.678), 0x1.2d79559791e31p+3);
}

}  // namespace
}  // namespace fallow::sim
