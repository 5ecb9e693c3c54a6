#include <set>

#include "agent/reconciler_test.h"

namespace fallow::agent {
namespace {

using testing::IsEmpty;

TEST_F(ReconcilerTest, NothingStartsBeforeTheMarketHasHeardOfIt) {
  connect();
  acknowledges_ = false;
  desire({lease(7)});
  run_for(milliseconds(1));
  reconciler_->happened(Prepared{LeaseId(7)}, now());
  EXPECT_THAT(of<Start>(run_for(seconds(1))), IsEmpty());
  acknowledge_all();
  const auto starts = of<Start>(step());
  ASSERT_EQ(starts.size(), 1U);
  EXPECT_GT(starts[0].fence_at, clock_ + seconds(20));
  EXPECT_LE(starts[0].fence_at, clock_ + seconds(25));
}

TEST_F(ReconcilerTest, TheMarketHearsOfAPullAsLongAsItLasts) {
  connect();
  v1::DesiredLease on_image = lease(7, {0});
  on_image.mutable_workload()->set_image("org/tool");
  desire({on_image, lease(8, {1})});
  run_for(seconds(5));
  EXPECT_EQ(report(7).state(), v1::STARTING);
  EXPECT_TRUE(report(7).pulling());
  EXPECT_FALSE(report(8).pulling()) << "it has no image";
  reconciler_->happened(Prepared{LeaseId(7)}, now());
  run_for(seconds(5));
  EXPECT_EQ(report(7).state(), v1::STARTING);
  EXPECT_FALSE(report(7).pulling());
}

TEST_F(ReconcilerTest, SilenceFencesBeforeTheMarketCloses) {
  connect();
  bring_up(lease(7));
  const Time last_sent = clock_;
  acknowledges_ = false;
  const auto actions = run_for(milliseconds(24'900));
  EXPECT_THAT(of<Kill>(actions), IsEmpty());
  EXPECT_EQ(of<Kill>(run_for(milliseconds(200))).size(), 1U);
  EXPECT_LT(clock_, last_sent + seconds(30));
  exit_with(7, 137);
  step();
  collected(7);
  observed_.clear();
  run_for(seconds(40));
  reconciler_->link_closed(now());
  run_for(seconds(31));
  acknowledges_ = true;
  welcome();
  run_for(milliseconds(1));
  EXPECT_EQ(report(7).reason(), v1::HOST_LOST);
}

TEST_F(ReconcilerTest, ALeaseHasASilenceOfItsOwnWhateverThePolicySays) {
  connect();
  v1::DesiredLease desired = lease(7);
  desired.set_close_after_us(seconds(12).value);
  bring_up(desired);
  acknowledges_ = false;
  EXPECT_THAT(of<Kill>(run_for(milliseconds(9'900))), IsEmpty());
  EXPECT_EQ(of<Kill>(run_for(milliseconds(200))).size(), 1U);
}

// The desired set that would say so may come later than the answer, or be lost.
TEST_F(ReconcilerTest, AnAnswerThatALeaseIsOverMovesNoFenceAndKills) {
  connect();
  bring_up(lease(7));
  run_for(seconds(3));
  const Time fence_at = reconciler_->workloads().at(LeaseId(7)).record.fence_at;
  acknowledges_ = false;
  run_for(seconds(3));
  ASSERT_FALSE(observed_.empty());
  v1::HubMessage answer;
  answer.mutable_observed_ack()->set_sequence(observed_.back().sequence());
  answer.mutable_observed_ack()->add_ended(7);
  reconciler_->received(answer, now());
  const auto actions = step();
  EXPECT_THAT(of<ExtendFence>(actions), IsEmpty());
  EXPECT_EQ(of<Kill>(actions).size(), 1U);
  EXPECT_EQ(reconciler_->workloads().at(LeaseId(7)).record.fence_at, fence_at);
}

TEST_F(ReconcilerTest, AnAnswerThatALeaseIsOverStartsNothing) {
  connect();
  acknowledges_ = false;
  desire({lease(7)});
  run_for(milliseconds(1));
  ASSERT_FALSE(observed_.empty());
  reconciler_->happened(Prepared{LeaseId(7)}, now());
  v1::HubMessage answer;
  answer.mutable_observed_ack()->set_sequence(observed_.back().sequence());
  answer.mutable_observed_ack()->add_ended(7);
  reconciler_->received(answer, now());
  EXPECT_THAT(of<Start>(run_for(seconds(1))), IsEmpty());
  EXPECT_THAT(reconciler_->workloads(), IsEmpty());
  desire({lease(7)});  // overtaken by the answer
  EXPECT_THAT(of<Prepare>(run_for(milliseconds(1))), IsEmpty());
}

TEST_F(ReconcilerTest, WhatIsBeingKilledGetsNoMoreTime) {
  connect();
  bring_up(lease(7));
  run_for(seconds(3));
  const Time fence_at = reconciler_->workloads().at(LeaseId(7)).record.fence_at;
  desire({});  // the market has ended it, and the kill shows no effect
  const auto actions = run_for(seconds(12));
  EXPECT_THAT(of<ExtendFence>(actions), IsEmpty());
  EXPECT_GE(of<Kill>(actions).size(), 3U);
  EXPECT_EQ(reconciler_->workloads().at(LeaseId(7)).record.fence_at, fence_at);
}

TEST_F(ReconcilerTest, AStoppedProcessFencesFirstWhenItGoesOn) {
  connect();
  bring_up(lease(7));
  // SIGSTOP; the market's words have piled up meanwhile, an acknowledgement among them.
  const v1::Observed waiting = last_;
  pass(seconds(60));
  desire({lease(7)});
  acknowledge(waiting.sequence() + 1);
  const auto actions = step();
  EXPECT_EQ(of<Kill>(actions).size(), 1U);
  // Its running time ends where the supervisor ended it, not when we woke.
  EXPECT_LE(reconciler_->workloads().at(LeaseId(7)).record.ran.value, seconds(26).value);
}

TEST_F(ReconcilerTest, AnExitBeforeTheFenceStaysWhatItWas) {
  connect();
  bring_up(lease(7));
  const Time ended = clock_ + seconds(3);
  pass(seconds(60));
  reconciler_->happened(Exited{LeaseId(7), ended, ExitCause::kExited, 0, 0, ""}, now());
  EXPECT_THAT(of<Kill>(step()), IsEmpty());
  EXPECT_NEAR(static_cast<double>(reconciler_->workloads().at(LeaseId(7)).record.ran.value), 3e6,
              1e4);
}

TEST_F(ReconcilerTest, AnotherLifeOfTheAgentGoesOnWithTheWorkload) {
  connect();
  bring_up(lease(7));
  run_for(seconds(11));
  const std::uint32_t sequence = stored_.at(LeaseId(7)).meter_sequence;
  ASSERT_EQ(sequence, 2U);
  // kill -9; four seconds later the next one.
  pass(seconds(4));
  stored_.at(LeaseId(7)).fence_at = clock_ + seconds(15);  // what the supervisor's file says
  restart({Started{LeaseId(7), clock_}});
  EXPECT_THAT(of<Start>(step()), IsEmpty());
  connect();
  desire({lease(7)});
  const auto actions = run_for(seconds(6));
  EXPECT_THAT(of<Start>(actions), IsEmpty());
  EXPECT_THAT(of<Kill>(actions), IsEmpty());
  const WorkloadRecord& record = reconciler_->workloads().at(LeaseId(7)).record;
  EXPECT_GT(record.meter_sequence, sequence);
  EXPECT_GT(record.metered.value, seconds(15).value) << "it ran while there was no agent";
}

TEST_F(ReconcilerTest, WhatWasLostMeanwhileIsNotBilledFurther) {
  connect();
  bring_up(lease(7));
  run_for(seconds(11));
  const Duration proven = stored_.at(LeaseId(7)).metered;
  pass(hours(1));
  restart({Exited{LeaseId(7), {}, ExitCause::kLost, 0, 0, "gone"}});
  connect();
  desire({lease(7)});
  collected(7);
  run_for(milliseconds(1));
  EXPECT_EQ(report(7).reason(), v1::WORKLOAD_LOST);
  EXPECT_EQ(reconciler_->workloads().at(LeaseId(7)).record.metered, proven);
}

TEST_F(ReconcilerTest, APreparationIsBegunAgainByTheNextAgent) {
  connect();
  desire({lease(7)});
  run_for(milliseconds(1));
  reconciler_->happened(Prepared{LeaseId(7)}, now());
  restart({});
  EXPECT_EQ(of<Prepare>(step()).size(), 1U);
}

TEST_F(ReconcilerTest, LateAndDoubledMessagesDoNoHarm) {
  connect();
  bring_up(lease(7));
  v1::HubMessage old;
  old.mutable_desired()->set_revision(revision_ - 1);
  reconciler_->received(old, now());
  EXPECT_THAT(of<Kill>(run_for(milliseconds(1))), IsEmpty());
  // Prepared, started and exited again.
  reconciler_->happened(Prepared{LeaseId(7)}, now());
  reconciler_->happened(Started{LeaseId(7), clock_}, now());
  exit_with(7, 0);
  exit_with(7, 5);
  collected(7);
  collected(7, "other");
  run_for(milliseconds(1));
  EXPECT_EQ(report(7).reason(), v1::COMPLETED);
  EXPECT_EQ(report(7).output_manifest(), "");
  // Forgotten, and then named again by a message that comes late.
  desire({});
  run_for(milliseconds(1));
  desire({lease(7)});
  EXPECT_THAT(of<Prepare>(run_for(milliseconds(1))), IsEmpty());
  EXPECT_THAT(reconciler_->workloads(), IsEmpty());
}

TEST_F(ReconcilerTest, HeartbeatsComeInTimeAndNotAllAtOnce) {
  connect();
  std::vector<Time> at;
  for (int i = 0; i < 200; ++i) {
    pass(milliseconds(100));
    step();
    if (!observed_.empty()) at.push_back(clock_);
    acknowledge_all();
  }
  ASSERT_GE(at.size(), 10U);
  std::set<std::int64_t> gaps;
  for (std::size_t i = 1; i < at.size(); ++i) {
    EXPECT_LE(at[i] - at[i - 1], milliseconds(2100));
    EXPECT_GE(at[i] - at[i - 1], milliseconds(1400));
    gaps.insert((at[i] - at[i - 1]).value);
  }
  EXPECT_GT(gaps.size(), 1U) << "jitter";
}

TEST_F(ReconcilerTest, ComesBackFastAndThenMoreAndMoreSeldom) {
  connect();
  reconciler_->link_closed(now());
  EXPECT_EQ(of<Connect>(run_for(milliseconds(101))).size(), 1U) << "the first retry is quick";
  std::vector<Duration> waits;
  for (int i = 0; i < 12; ++i) {
    const Time closed_at = clock_;
    reconciler_->link_closed(now());
    while (of<Connect>(step()).empty()) clock_ = reconciler_->next_deadline();
    waits.push_back(clock_ - closed_at);
    EXPECT_LE(waits.back(), seconds(30));
  }
  EXPECT_LT(waits.front(), seconds(1));
  EXPECT_GT(waits.back(), seconds(20));
}

// A market that is down for twenty seconds finds what runs still running.
TEST_F(ReconcilerTest, WhoRunsSomethingComesBackBeforeItsFence) {
  connect();
  bring_up(lease(7));
  acknowledge_all();
  const Time lost_at = clock_;
  int attempts = 0;
  while (clock_ - lost_at < seconds(20)) {
    reconciler_->link_closed(now());
    while (of<Connect>(step()).empty()) clock_ = reconciler_->next_deadline();
    ++attempts;
  }
  EXPECT_LE(clock_ - lost_at, seconds(25)) << "it came too late to be heard";
  EXPECT_LE(attempts, 12) << "nor does it storm";
  welcome();
  EXPECT_THAT(of<Kill>(run_for(seconds(30))), IsEmpty());
}

TEST_F(ReconcilerTest, ComesBackByWhatTheMarketSays) {
  const auto pause_after = [this](const char* code) {
    v1::HubMessage goodbye;
    goodbye.mutable_goodbye()->set_code(code);
    reconciler_->received(goodbye, now());
    const Time closed_at = clock_;
    while (of<Connect>(step()).empty()) clock_ = reconciler_->next_deadline();
    welcome();
    return clock_ - closed_at;
  };
  connect();
  EXPECT_LT(pause_after("shutting_down"), seconds(1));
  EXPECT_LT(pause_after("silent"), seconds(1));
  EXPECT_LT(pause_after("busy"), seconds(1));
  EXPECT_GT(pause_after("busy"), milliseconds(300)) << "not at once";
  EXPECT_GT(pause_after("replaced"), seconds(20)) << "two agents with one key would go on and on";
  EXPECT_GT(pause_after("protocol"), seconds(20));
}

TEST_F(ReconcilerTest, LeavesAPeerThatDoesNotAnswer) {
  EXPECT_EQ(of<Connect>(step()).size(), 1U);
  reconciler_->link_opened(now());
  EXPECT_EQ(of<Disconnect>(run_for(seconds(11))).size(), 1U) << "no challenge";
  reconciler_->link_closed(now());
  connect();
  acknowledges_ = false;
  EXPECT_GE(of<Disconnect>(run_for(seconds(10))).size(), 1U) << "no acknowledgement";
}

TEST_F(ReconcilerTest, ARemovedNodeEndsEverything) {
  connect();
  bring_up(lease(7));
  v1::HubMessage goodbye;
  goodbye.mutable_goodbye()->set_code("removed");
  reconciler_->received(goodbye, now());
  const auto actions = run_for(milliseconds(1));
  EXPECT_EQ(of<Quit>(actions).size(), 1U);
  EXPECT_EQ(of<Kill>(actions).size(), 1U);
  exit_with(7, 137);
  run_for(minutes(1));
  EXPECT_THAT(reconciler_->workloads(), IsEmpty());
}

TEST_F(ReconcilerTest, NeverAsksToBeCalledInThePastForEver) {
  connect();
  bring_up(lease(7));
  for (int i = 0; i < 2000; ++i) {
    clock_ = std::max(clock_, reconciler_->next_deadline());
    step();
    ASSERT_GT(reconciler_->next_deadline(), clock_) << "turn " << i;
    if (i % 3 == 0) acknowledge_all();
  }
}

}  // namespace
}  // namespace fallow::agent
