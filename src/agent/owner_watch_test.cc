#include "agent/owner_watch.h"

#include <gtest/gtest.h>
#include <poll.h>

#include "agent/owner_fixture_test.h"
#include "agent/owner_history.h"

namespace fallow::agent {
namespace {

class OwnerWatchTest : public OwnerTreeTest {
 protected:
  OwnerWatchTest() {
    put("proc/loadavg", "0.1 0.1 0.1 1/80 300\n");
    policy_.desktop = policy_.input = policy_.terminals = policy_.battery = false;
    policy_.gpu_memory_mb = policy_.gpu_percent = 0;
    policy_.programs = {"doom"};
    policy_.away_after = milliseconds(1);
  }
  std::unique_ptr<OwnerWatch> start() {
    auto watch =
        OwnerWatch::start({policy_, {root_, 50, "workload-supervisor", {}}, history_}, *clock_);
    EXPECT_TRUE(watch) << watch.error().message;
    return std::move(*watch);
  }
  static bool is_told(const OwnerWatch& watch) {
    pollfd polled{watch.event_fd(), POLLIN, 0};
    return ::poll(&polled, 1, 20'000) == 1;
  }
  void begin_doom() {
    put_process(301, 1, "doom", "/usr/bin/doom");
    put("proc/loadavg", "0.1 0.1 0.1 1/80 301\n");
  }

  const std::unique_ptr<Clock> clock_ = system_clock();
  OwnerPolicy policy_;
  const std::string history_ = root_ + "/history";
};

TEST_F(OwnerWatchTest, TellsWhenTheOwnerComesAndGoes) {
  const auto watch = start();
  EXPECT_EQ(watch->read(), v1::OWNER_AWAY);
  begin_doom();
  ASSERT_TRUE(is_told(*watch));
  EXPECT_EQ(watch->read(), v1::OWNER_PRESENT);
  drop("proc/301");
  ASSERT_TRUE(is_told(*watch));
  EXPECT_EQ(watch->read(), v1::OWNER_AWAY);
}

TEST_F(OwnerWatchTest, ADryRunWritesDownAndDoesNothing) {
  policy_.dry_run = true;
  begin_doom();
  {
    const auto watch = start();
    EXPECT_EQ(watch->read(), v1::OWNER_AWAY);
  }
  const auto moments = read_owner_history(history_).value();
  ASSERT_EQ(moments.size(), 3U);
  EXPECT_EQ(moments[0].why, kDryRunRemark);
  EXPECT_EQ(moments[1].kind, OwnerMomentKind::kPresent);
  EXPECT_EQ(moments[1].why, "program doom runs");
  EXPECT_EQ(moments[2].kind, OwnerMomentKind::kEnded);
}

TEST_F(OwnerWatchTest, WhoWasThereWhenTheAgentEndedIsThereWhenItStartsAgain) {
  policy_.away_after = minutes(10);
  begin_doom();
  EXPECT_EQ(start()->read(), v1::OWNER_PRESENT);
  drop("proc/301");
  EXPECT_EQ(start()->read(), v1::OWNER_PRESENT);
  policy_.away_after = milliseconds(1);
  EXPECT_EQ(start()->read(), v1::OWNER_AWAY);
}

}  // namespace
}  // namespace fallow::agent
