#include "proof/matrix.h"

#include <gtest/gtest.h>

#include <cstring>

#include "proof/host_device.h"

namespace fallow::proof {
namespace {

class Matrix : public testing::TestWithParam<std::uint32_t> {};
INSTANTIATE_TEST_SUITE_P(Sizes, Matrix, testing::Values(64, 128, 320));

TEST_P(Matrix, EveryRowOfTheProductHolds) {
  const std::uint32_t size = GetParam();
  const Digest seed = digest_of("seed");
  HostDevice device;
  ASSERT_TRUE(device.begin_matrix(size, right_key(seed)));
  const StreamKey left = left_key(seed, 0, Digest{});
  const RowCheck check(size, right_key(seed), stream_key("secret", seed));
  for (std::uint32_t row = 0; row < size; ++row) {
    const auto values = device.row(left, row);
    ASSERT_TRUE(values);
    EXPECT_TRUE(check.holds(left, row, *values)) << row;
    EXPECT_FALSE(check.holds(left, (row + 1) % size, *values)) << row;
  }
}

// One number of a row, off by as little as can be, or by a multiple of 2^31.
TEST_P(Matrix, NoRowHoldsThatIsOffByOne) {
  const std::uint32_t size = GetParam();
  const Digest seed = digest_of("another seed");
  HostDevice device;
  ASSERT_TRUE(device.begin_matrix(size, right_key(seed)));
  const StreamKey left = left_key(seed, 3, digest_of("root"));
  const RowCheck check(size, right_key(seed), stream_key("secret", seed));
  const auto right = device.row(left, 7);
  ASSERT_TRUE(right);
  for (std::uint32_t place = 0; place < size; ++place) {
    for (const std::uint32_t change : {1U, 0xffffffffU, 0x80000000U}) {
      std::string values = *right;
      std::uint32_t number = 0;
      std::memcpy(&number, &values[place * 4], 4);
      number += change;
      std::memcpy(&values[place * 4], &number, 4);
      EXPECT_FALSE(check.holds(left, 7, values)) << place;
    }
  }
  EXPECT_FALSE(check.holds(left, 7, right->substr(4)));
  EXPECT_FALSE(check.holds(left, size, *right));
  EXPECT_FALSE(check.holds(left_key(seed, 4, digest_of("root")), 7, *right));
  EXPECT_FALSE(check.holds(left_key(seed, 3, digest_of("other")), 7, *right));
}

}  // namespace
}  // namespace fallow::proof
