#include "sim/chain_log.h"

#include <gtest/gtest.h>

#include <array>

#include "log/memory_log.h"

namespace fallow::sim {
namespace {

TEST(ChainLog, MakesTheChainOfALogThatKeeps) {
  ChainLog forgets;
  log::MemoryLog keeps;
  const std::array<std::string_view, 3> batch = {"one", "", "three"};
  for (const std::int64_t us : {5, 9, 7}) {  // a clock that goes back once
    const auto a = forgets.append(batch, Time{us});
    const auto b = keeps.append(batch, Time{us});
    ASSERT_TRUE(a && b);
    EXPECT_EQ(a->first, b->first);
    EXPECT_EQ(a->last, b->last);
    EXPECT_EQ(a->time, b->time);
    EXPECT_EQ(a->chain, b->chain);
  }
  EXPECT_EQ(*forgets.head(), *keeps.head());
  EXPECT_EQ(*forgets.head_at(LogIndex(9)), *keeps.head());
  EXPECT_EQ(forgets.entries(), 3U);
  EXPECT_EQ(forgets.bytes(), 3U * (3 + 5 + 3 * 4));
}

TEST(ChainLog, SaysThatItKeepsNothing) {
  ChainLog log;
  EXPECT_TRUE(log.read(LogIndex(1), 100)->empty());
  const std::array<std::string_view, 1> batch = {"one"};
  ASSERT_TRUE(log.append(batch, Time{1}));
  EXPECT_EQ(log.read(LogIndex(1), 100).error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(log.read(LogIndex(2), 100)->empty());
  EXPECT_EQ(log.head_at(LogIndex(0)).error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(log.append({}, Time{1}));
}

}  // namespace
}  // namespace fallow::sim
