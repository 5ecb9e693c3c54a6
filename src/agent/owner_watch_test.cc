#include "agent/owner_watch.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/owner_decision.h"
#include "agent/owner_fixture_test.h"
#include "agent/owner_history.h"
#include "base/file.h"

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
    auto watch = OwnerWatch::start(
        {policy_, {root_, 50, "workload-supervisor", {}}, history_, hangs_after_}, *clock_);
    EXPECT_TRUE(watch) << watch.error().message;
    return std::move(*watch);
  }
  static bool is_told(const OwnerWatch& watch, int within_ms = 20'000) {
    pollfd polled{watch.event_fd(), POLLIN, 0};
    return ::poll(&polled, 1, within_ms) == 1;
  }
  void begin_doom() {
    put_process(301, 1, "doom", "/usr/bin/doom");
    put("proc/loadavg", "0.1 0.1 0.1 1/80 301\n");
  }

  const std::unique_ptr<Clock> clock_ = system_clock();
  OwnerPolicy policy_;
  Duration hangs_after_ = seconds(30);
  const std::string history_ = root_ + "/history";
};

TEST_F(OwnerWatchTest, TellsWhenTheOwnerComesAndGoes) {
  const auto watch = start();
  EXPECT_EQ(watch->read(), v1::OWNER_AWAY);
  begin_doom();
  ASSERT_TRUE(is_told(*watch));
  EXPECT_EQ(watch->read(), v1::OWNER_PRESENT);
  EXPECT_EQ(watch->why(), "program doom runs");
  drop("proc/301");
  ASSERT_TRUE(is_told(*watch));
  EXPECT_EQ(watch->read(), v1::OWNER_AWAY);
  EXPECT_EQ(watch->why(), "nothing is seen of the owner");
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

TEST_F(OwnerWatchTest, HoursOutsideTheScheduleAreNoSightOfTheOwner) {
  policy_.away_after = minutes(10);
  const std::string now = std::to_string(clock_->now().us / 1'000'000);
  put("history", now + " begun\n" + now + " present " + std::string(kOutsideSchedule) + "\n" + now +
                     " ended\n");
  EXPECT_EQ(start()->read(), v1::OWNER_AWAY);
}

TEST_F(OwnerWatchTest, WhatTheWatchSeesIsReadFromOutsideWhileItRuns) {
  const auto seen = [&] { return seen_of_owner(history_, clock_->now()).value(); };
  EXPECT_FALSE(seen()) << "there is no file";
  begin_doom();
  {
    const auto watch = start();
    ASSERT_TRUE(seen());
    EXPECT_EQ(seen()->kind, OwnerMomentKind::kPresent);
    EXPECT_EQ(seen()->why, "program doom runs");
    EXPECT_FALSE(seen_of_owner(history_, clock_->now() + minutes(4)).value()) << "it was killed";
  }
  EXPECT_FALSE(seen());
  policy_.dry_run = true;
  const auto watch = start();
  EXPECT_FALSE(seen());
}

TEST_F(OwnerWatchTest, WithoutAPlaceForItsDiaryItWatchesAllTheSame) {
  put("history/in_the_way", "");
  begin_doom();
  EXPECT_EQ(start()->read(), v1::OWNER_PRESENT);
  drop("proc/301");
  EXPECT_EQ(start()->read(), v1::OWNER_AWAY);
}

// A file that nobody writes holds up who reads it, as a driver would.
TEST_F(OwnerWatchTest, AWatchThatHangsFromTheBeginIsAnOwnerWhoIsThere) {
  drop("proc/loadavg");
  const std::string pipe = root_ + "/proc/loadavg";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  hangs_after_ = milliseconds(100);
  auto watch = start();
  EXPECT_EQ(watch->read(), v1::OWNER_PRESENT);
  EXPECT_FALSE(is_told(*watch, 10));
  const auto until = [](const auto& happens) {
    bool happened = happens();
    for (int tries = 0; !happened && tries < 2'000; ++tries) {
      ::usleep(10'000);
      happened = happens();
    }
    return happened;
  };
  const auto let_go = [&] { return open_file(pipe, O_WRONLY | O_NONBLOCK).has_value(); };
  ASSERT_TRUE(until(let_go));
  ASSERT_TRUE(is_told(*watch));
  EXPECT_EQ(watch->read(), v1::OWNER_AWAY);
  // It hangs in the next look, and its end is not waited for.
  ASSERT_TRUE(until([&] { return watch->read() == v1::OWNER_PRESENT; }));
  const Time begun = clock_->monotonic();
  watch.reset();
  EXPECT_LT((clock_->monotonic() - begun).value, seconds(15).value);
  EXPECT_TRUE(until(let_go));
}

}  // namespace
}  // namespace fallow::agent
