#include "server/history_wait.h"

#include <gtest/gtest.h>

namespace fallow::server {
namespace {

struct LateHistory {
  bool wait_for(LogIndex index, Duration wait) const {
    EXPECT_EQ(wait, kHistoryWaitMax);
    return index <= reached;
  }
  LogIndex reached;
};

TEST(HistoryWait, SaysThatTheHistoryIsBehind) {
  const LateHistory history{LogIndex(7)};
  EXPECT_TRUE(wait_for_history(history, LogIndex(7)));
  const Status behind = wait_for_history(history, LogIndex(8));
  ASSERT_FALSE(behind);
  EXPECT_EQ(behind.error().code, ErrorCode::kBusy);
  EXPECT_NE(behind.error().message.find("ask again"), std::string::npos);
}

}  // namespace
}  // namespace fallow::server
