#include "base/huge_pages.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace fallow {
namespace {

TEST(HugePages, AListIsMadeAsItGrowsAndDestroyedWhole) {
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
    HugeList<Counted> list;
    EXPECT_EQ(alive, 0);
    const Counted* const first = &list.add();
    EXPECT_EQ(alive, 1);
    // More than one piece of memory holds.
    const std::size_t count = 2 * kHugePageBytes / sizeof(Counted) + 3;
    while (list.size() < count) list.add();
    EXPECT_EQ(alive, static_cast<int>(count));
    EXPECT_EQ(&list[0], first);
    EXPECT_EQ(list[count - 1].text, list[0].text);
  }
  EXPECT_EQ(alive, 0);
}

TEST(HugePages, MemoryIsAlignedAndZeroed) {
  HugeList<std::uint64_t> numbers;
  for (std::size_t i = 0; i < 300'000; ++i) EXPECT_EQ(numbers.add(), 0U);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&numbers[0]) % kHugePageBytes, 0U);
  EXPECT_EQ(&numbers[1'000], &numbers[0] + 1'000);
}

TEST(HugePages, WhatWasFreedLastIsTakenNext) {
  HugePool<std::uint64_t> pool;
  std::uint64_t& first = pool.take();
  std::uint64_t& second = pool.take();
  EXPECT_NE(&first, &second);
  first = 7;
  pool.free(second);
  pool.free(first);
  EXPECT_EQ(&pool.take(), &first);
  EXPECT_EQ(first, 0U) << "as it was when it was new";
  EXPECT_EQ(&pool.take(), &second);
}

}  // namespace
}  // namespace fallow
