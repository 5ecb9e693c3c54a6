#include "core/blame.h"

#include <gtest/gtest.h>

namespace fallow::core {
namespace {

// The table, written out a second time: one line an ending.
TEST(Blame, DecidesEveryEnding) {
  struct Line {
    v1::EndReason reason;
    v1::Blame blame;
    bool refund, retry, done, by_node;
  };
  constexpr Line kLines[] = {
      {v1::COMPLETED, v1::BLAME_NONE, false, false, true, false},
      {v1::EXIT_CODE, v1::BLAME_RENTER, false, false, false, false},
      {v1::OUT_OF_MEMORY, v1::BLAME_RENTER, false, false, false, false},
      {v1::TIME_LIMIT, v1::BLAME_RENTER, false, false, false, false},
      {v1::FUNDS, v1::BLAME_RENTER, false, false, false, false},
      {v1::STOPPED, v1::BLAME_RENTER, false, false, false, false},
      {v1::INPUT_INVALID, v1::BLAME_RENTER, false, false, false, false},
      {v1::DISK_LIMIT, v1::BLAME_RENTER, false, false, false, false},
      {v1::DEVICE_FAULT, v1::BLAME_PROVIDER, true, true, false, true},
      {v1::HOST_LOST, v1::BLAME_PROVIDER, true, true, false, true},
      {v1::START_FAILED, v1::BLAME_PROVIDER, true, true, false, true},
      {v1::WORKLOAD_LOST, v1::BLAME_PROVIDER, true, true, false, true},
      {v1::NODE_WITHDRAWN, v1::BLAME_PROVIDER, true, true, false, true},
      {v1::OWNER_RETURNED, v1::BLAME_OWNER, false, true, false, true},
      {v1::PREEMPTED, v1::BLAME_MARKET, false, true, false, false},
      {v1::MARKET_FAULT, v1::BLAME_MARKET, true, true, false, false},
      {v1::GANG_FAILED, v1::BLAME_RENTER, false, false, false, false},
      {v1::GANG_LOST, v1::BLAME_PROVIDER, true, true, false, false},
      {v1::GANG_BROKEN, v1::BLAME_MARKET, false, true, false, false},
      {v1::IMAGE_UNAVAILABLE, v1::BLAME_MARKET, false, true, false, false},
      {v1::STORE_FULL, v1::BLAME_MARKET, false, true, false, false},
  };
  // Without END_REASON_UNSPECIFIED.
  EXPECT_EQ(std::size(kLines), v1::EndReason_descriptor()->value_count() - 1)
      << "an ending without a line";
  for (const Line& line : kLines) {
    const Ending ending = ending_of(line.reason);
    EXPECT_EQ(ending.blame, line.blame) << v1::EndReason_Name(line.reason);
    EXPECT_EQ(ending.refund, line.refund) << v1::EndReason_Name(line.reason);
    EXPECT_EQ(ending.retry, line.retry) << v1::EndReason_Name(line.reason);
    EXPECT_EQ(ending.task_done, line.done) << v1::EndReason_Name(line.reason);
    EXPECT_EQ(ending.by_node, line.by_node) << v1::EndReason_Name(line.reason);
  }
}

TEST(Blame, NodesAreNotBelievedEverything) {
  EXPECT_EQ(believed(v1::COMPLETED), v1::COMPLETED);
  EXPECT_EQ(believed(v1::OWNER_RETURNED), v1::OWNER_RETURNED);
  EXPECT_EQ(believed(v1::STORE_FULL), v1::STORE_FULL);
  for (const v1::EndReason claimed :
       {v1::STOPPED, v1::FUNDS, v1::NODE_WITHDRAWN, v1::PREEMPTED, v1::MARKET_FAULT, v1::GANG_LOST,
        v1::END_REASON_UNSPECIFIED, static_cast<v1::EndReason>(1'000)}) {
    EXPECT_EQ(believed(claimed), v1::WORKLOAD_LOST) << claimed;
  }
}

TEST(BlameDeathTest, NoReasonIsABug) {
  EXPECT_DEATH((void)ending_of(v1::END_REASON_UNSPECIFIED), "cannot end");
}

}  // namespace
}  // namespace fallow::core
