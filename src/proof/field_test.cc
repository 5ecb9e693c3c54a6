#include "proof/field.h"

#include <gtest/gtest.h>

#include "base/env.h"

namespace fallow::proof {
namespace {

TEST(Field, ReducesWhatALongDivisionDoes) {
  const auto random = seeded_random(1);
  for (const UnsignedWide value :
       {UnsignedWide{0}, UnsignedWide{kPrime}, UnsignedWide{kPrime} - 1, UnsignedWide{kPrime} + 1,
        UnsignedWide{kPrime} * kPrime, ~UnsignedWide{0}, ~UnsignedWide{0} - 1}) {
    EXPECT_EQ(reduce(value), static_cast<std::uint64_t>(value % kPrime));
  }
  for (int i = 0; i < 100'000; ++i) {
    const UnsignedWide value = (UnsignedWide{random->next_u64()} << 64U) | random->next_u64();
    ASSERT_EQ(reduce(value), static_cast<std::uint64_t>(value % kPrime));
  }
}

TEST(Field, SubtractsWhatWasAdded) {
  EXPECT_EQ(subtract(0, 1), kPrime - 1);
  EXPECT_EQ(add(kPrime - 1, 1), 0U);
  EXPECT_EQ(multiply(kPrime - 1, kPrime - 1), 1U);
}

}  // namespace
}  // namespace fallow::proof
