#include "base/huge_pages.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

namespace fallow {
namespace {

TEST(HugePages, AnArrayIsMadeMovedAndDestroyedWhole) {
  static int alive;
  alive = 0;
  struct Counted {
    Counted() { ++alive; }
    ~Counted() { --alive; }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;
    std::string text = "long enough to need memory of its own";
  };
  {
    std::vector<HugeArray<Counted>> arrays;
    for (int i = 0; i < 3; ++i) arrays.emplace_back(1'000);
    EXPECT_EQ(alive, 3'000);
    EXPECT_EQ(arrays[2][999].text, arrays[0][0].text);
  }
  EXPECT_EQ(alive, 0);
}

TEST(HugePages, MemoryIsAlignedAndZeroed) {
  HugeArray<std::uint64_t> numbers(300'000);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&numbers[0]) % kHugePageBytes, 0U);
  for (std::size_t i = 0; i < 300'000; ++i) EXPECT_EQ(numbers[i], 0U);
}

}  // namespace
}  // namespace fallow
