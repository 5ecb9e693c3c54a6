// When the reconciler has checkpoints saved, and what it tells the market of them.
#include "agent/reconciler_test.h"

namespace fallow::agent {
namespace {

class CheckpointTest : public ReconcilerTest {
 protected:
  static constexpr Duration kInterval = Reconciler::kCheckpointInterval;

  void saved(std::uint64_t id, std::string manifest, bool is_last = false) {
    reconciler_->happened(Saved{LeaseId(id), std::move(manifest), is_last}, now());
  }
  // Time that passes until one is asked for, to the second.
  Duration until_save() {
    for (int waited = 1; waited < 1'000; ++waited) {
      if (!of<Save>(run_for(seconds(1))).empty()) return seconds(waited);
    }
    return Duration(0);
  }
  static std::string digest(char letter) { return std::string(32, letter); }
};

TEST_F(CheckpointTest, SavesAtIntervalsAndTellsWhatIsNew) {
  connect();
  bring_up(lease(7));
  EXPECT_EQ(until_save(), kInterval);
  EXPECT_FALSE(report(7).has_checkpoint());
  // One at a time, however long it takes; the next comes after ten times as long.
  EXPECT_TRUE(of<Save>(run_for(seconds(30))).empty());
  saved(7, digest('a'));
  run_for(milliseconds(1));
  EXPECT_EQ(report(7).checkpoint().manifest(), digest('a'));
  EXPECT_EQ(report(7).checkpoint().sequence(), 1U);
  EXPECT_EQ(stored_.at(LeaseId(7)).end.checkpoint().sequence(), 1U);
  // Counted from the moment within the second before.
  const Duration pause = until_save();
  EXPECT_GE(pause, seconds(300));
  EXPECT_LE(pause, seconds(301));
  // Nothing new, and something that failed.
  saved(7, digest('a'));
  EXPECT_EQ(until_save(), kInterval);
  saved(7, "");
  run_for(milliseconds(1));
  EXPECT_EQ(report(7).checkpoint().sequence(), 1U);
  EXPECT_EQ(until_save(), kInterval);
  saved(7, digest('b'));
  run_for(milliseconds(1));
  EXPECT_EQ(report(7).checkpoint().manifest(), digest('b'));
  EXPECT_EQ(report(7).checkpoint().sequence(), 2U);
}

TEST_F(CheckpointTest, AWorkloadMaySayHowOften) {
  connect();
  v1::DesiredLease desired = lease(7);
  desired.mutable_workload()->set_checkpoint_seconds(20);
  bring_up(desired);
  EXPECT_EQ(until_save(), seconds(20));
  saved(7, digest('a'));
  EXPECT_EQ(until_save(), seconds(20));
  // Savings still take a tenth of the time at most.
  run_for(seconds(30));
  saved(7, digest('b'));
  EXPECT_GE(until_save(), seconds(300));
}

TEST_F(CheckpointTest, AWorkloadMayNotAskForMoreThanANodeCanDo) {
  connect();
  v1::DesiredLease desired = lease(7);
  desired.mutable_workload()->set_checkpoint_seconds(1);
  bring_up(desired);
  EXPECT_EQ(until_save(), Reconciler::kCheckpointIntervalMin);
}

TEST_F(CheckpointTest, WhatItBeganWithIsNotNew) {
  connect();
  v1::DesiredLease desired = lease(7);
  desired.set_checkpoint_manifest(digest('a'));
  bring_up(desired);
  run_for(kInterval + seconds(1));
  saved(7, digest('a'));
  run_for(milliseconds(1));
  EXPECT_FALSE(report(7).has_checkpoint());
}

TEST_F(CheckpointTest, AnEvictionSavesWhatTheNoticeLeft) {
  connect();
  bring_up(lease(7));
  reconciler_->set_owner(v1::OWNER_PRESENT, now());
  // Suspended: nothing changes in its folder.
  auto actions = run_for(kInterval);
  EXPECT_TRUE(of<Save>(actions).empty());
  ASSERT_EQ(of<Stop>(actions).size(), 1U);
  EXPECT_EQ(of<Stop>(actions)[0].reason, v1::OWNER_RETURNED);
  EXPECT_EQ(of<Stop>(actions)[0].grace, seconds(10));
  exit_with(7, 75);
  actions = run_for(milliseconds(1));
  ASSERT_EQ(of<Collect>(actions).size(), 1U);
  EXPECT_TRUE(of<Collect>(actions)[0].checkpoint);
  EXPECT_FALSE(of<Collect>(actions)[0].outputs);
  EXPECT_NE(report(7).state(), v1::ENDED) << "before its checkpoint is there";
  saved(7, digest('z'), true);
  collected(7);
  run_for(milliseconds(1));
  EXPECT_EQ(report(7).state(), v1::ENDED);
  EXPECT_EQ(report(7).reason(), v1::OWNER_RETURNED);
  EXPECT_EQ(report(7).checkpoint().manifest(), digest('z'));
  EXPECT_EQ(report(7).checkpoint().sequence(), 1U);
}

TEST_F(CheckpointTest, TheNoticeSaysWhyTheMarketEndsIt) {
  connect();
  v1::DesiredLease desired = lease(7);
  bring_up(desired);
  desired.set_stop(true);
  desired.set_stop_reason(v1::PREEMPTED);
  desire({desired});
  auto actions = run_for(milliseconds(1));
  ASSERT_EQ(of<Stop>(actions).size(), 1U);
  EXPECT_EQ(of<Stop>(actions)[0].reason, v1::PREEMPTED);
  restart({});
  actions = run_for(milliseconds(1));
  ASSERT_EQ(of<Stop>(actions).size(), 1U);
  EXPECT_EQ(of<Stop>(actions)[0].reason, v1::PREEMPTED);
  connect();
  exit_with(7, 75);
  EXPECT_TRUE(of<Collect>(run_for(milliseconds(1))).at(0).checkpoint);
  collected(7);
  run_for(milliseconds(1));
  EXPECT_EQ(report(7).reason(), v1::STOPPED) << "the market knows its own reason";
}

TEST_F(CheckpointTest, OnlyWhatMayGoOnIsSavedAtTheEnd) {
  connect();
  bring_up(lease(7, {0}));
  exit_with(7, 0);
  EXPECT_FALSE(of<Collect>(run_for(milliseconds(1))).at(0).checkpoint) << "it is done";
  collected(7);
  bring_up(lease(8, {1}));
  exit_with(8, 3);
  EXPECT_TRUE(of<Collect>(run_for(milliseconds(1))).at(0).checkpoint) << "its renter may look";
  collected(8);
  bring_up(lease(9, {2}));
  exit_with(9, 0, ExitCause::kFenced);
  EXPECT_FALSE(of<Collect>(run_for(milliseconds(1))).at(0).checkpoint) << "the lease is over";
}

TEST_F(CheckpointTest, ARestartedAgentKeepsItsCount) {
  connect();
  bring_up(lease(7));
  run_for(kInterval + seconds(1));
  saved(7, digest('a'));
  run_for(seconds(1));
  restart({});
  last_ = {};
  // What was being saved when the other ended is saved at once.
  EXPECT_EQ(of<Save>(run_for(milliseconds(1))).size(), 1U);
  connect();
  EXPECT_EQ(report(7).checkpoint().manifest(), digest('a'));
  saved(7, digest('b'));
  run_for(milliseconds(1));
  EXPECT_EQ(report(7).checkpoint().sequence(), 2U);
}

}  // namespace
}  // namespace fallow::agent
