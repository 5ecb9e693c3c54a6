#include "agent/reconciler_test.h"

namespace fallow::agent {
namespace {

using testing::IsEmpty;

TEST_F(ReconcilerTest, RunsALeaseToItsEnd) {
  connect();
  v1::DesiredLease desired = lease(7);
  desired.mutable_workload()->set_collect_output(true);
  bring_up(desired);
  EXPECT_EQ(report(7).state(), v1::RUNNING);
  run_for(seconds(12));
  exit_with(7, 0);
  const auto collects = of<Collect>(run_for(milliseconds(1)));
  ASSERT_EQ(collects.size(), 1U);
  EXPECT_TRUE(collects[0].outputs);
  EXPECT_EQ(report(7).state(), v1::RUNNING) << "not ended before its outputs are there";
  collected(7, "manifest");
  run_for(milliseconds(1));
  EXPECT_EQ(report(7).state(), v1::ENDED);
  EXPECT_EQ(report(7).reason(), v1::COMPLETED);
  EXPECT_EQ(report(7).output_manifest(), "manifest");
  // Told until the market has taken it out of the desired set.
  run_for(seconds(10));
  EXPECT_EQ(report(7).state(), v1::ENDED);
  desire({});
  EXPECT_EQ(of<Forget>(run_for(milliseconds(1))).size(), 1U);
  EXPECT_THAT(reconciler_->workloads(), IsEmpty());
  EXPECT_THAT(stored_, IsEmpty());
}

TEST_F(ReconcilerTest, TheOwnerIsGivenTheMachineAfterTheNotice) {
  connect();
  bring_up(lease(7));
  reconciler_->set_owner(v1::OWNER_PRESENT, now());
  EXPECT_THAT(of<Stop>(run_for(seconds(4))), IsEmpty());
  EXPECT_EQ(of<Stop>(run_for(seconds(2))).size(), 1U);
  // It ignores SIGTERM.
  EXPECT_EQ(of<Kill>(run_for(seconds(10))).size(), 1U);
  reconciler_->happened(Exited{LeaseId(7), clock_, ExitCause::kExited, 137, 9, ""}, now());
  const auto collects = of<Collect>(run_for(milliseconds(1)));
  ASSERT_EQ(collects.size(), 1U);
  EXPECT_FALSE(collects[0].outputs);
  collected(7);
  run_for(milliseconds(1));
  EXPECT_EQ(report(7).reason(), v1::OWNER_RETURNED);
  EXPECT_EQ(last_.owner(), v1::OWNER_PRESENT);
  // A lease that was placed before the market knew.
  desire({lease(8)});
  EXPECT_THAT(of<Prepare>(run_for(milliseconds(1))), IsEmpty());
  EXPECT_EQ(report(8).reason(), v1::OWNER_RETURNED);
}

TEST_F(ReconcilerTest, TheOwnersOwnTermsShortenNoticeAndGrace) {
  connect();
  reconciler_->set_eviction(milliseconds(300), seconds(4));
  v1::DesiredLease patient = lease(7);
  patient.set_stop_grace_us(minutes(5).value);
  bring_up(patient);
  reconciler_->set_owner(v1::OWNER_PRESENT, now());
  auto actions = run_for(milliseconds(250));
  EXPECT_EQ(of<Suspend>(actions).size(), 1U);
  EXPECT_THAT(of<Stop>(actions), IsEmpty());
  actions = run_for(milliseconds(100));
  ASSERT_EQ(of<Stop>(actions).size(), 1U);
  EXPECT_EQ(of<Stop>(actions)[0].grace, milliseconds(3'700)) << "what the notice says";
  EXPECT_THAT(of<Kill>(run_for(milliseconds(3'600))), IsEmpty());
  EXPECT_EQ(of<Kill>(run_for(milliseconds(100))).size(), 1U);
}

TEST_F(ReconcilerTest, WhatIsBeingStoppedForAnotherReasonMakesWayToo) {
  connect();
  reconciler_->set_eviction(milliseconds(300), seconds(4));
  v1::DesiredLease patient = lease(7);
  patient.set_stop_grace_us(minutes(5).value);
  bring_up(patient);
  patient.set_stop(true);
  desire({patient});
  EXPECT_EQ(of<Stop>(run_for(seconds(1))).size(), 1U);
  EXPECT_THAT(of<Kill>(run_for(seconds(10))), IsEmpty());
  reconciler_->set_owner(v1::OWNER_PRESENT, now());
  EXPECT_THAT(of<Kill>(run_for(milliseconds(3'900))), IsEmpty());
  EXPECT_EQ(of<Kill>(run_for(milliseconds(200))).size(), 1U);
}

TEST_F(ReconcilerTest, LongTermsOfTheOwnersLengthenNothing) {
  connect();
  reconciler_->set_eviction(minutes(1), minutes(2));
  bring_up(lease(7));
  reconciler_->set_owner(v1::OWNER_PRESENT, now());
  EXPECT_EQ(of<Stop>(run_for(milliseconds(5'100))).size(), 1U);
  EXPECT_EQ(of<Kill>(run_for(milliseconds(10'100))).size(), 1U);
}

// The next agent does again what may not have been done, but it is no news.
TEST_F(ReconcilerTest, WhatTheOwnersReturnDoesIsToldOnce) {
  const auto told = [](const std::vector<Action>& actions) {
    std::vector<v1::OwnerAct> acts;
    for (const TellOwner& one : of<TellOwner>(actions)) {
      EXPECT_EQ(one.lease, LeaseId(7));
      acts.push_back(one.act);
    }
    return acts;
  };
  using Acts = std::vector<v1::OwnerAct>;
  connect();
  bring_up(lease(7));
  reconciler_->set_owner(v1::OWNER_PRESENT, now());
  EXPECT_EQ(told(run_for(milliseconds(1))), Acts{v1::LEASE_SUSPENDED});
  restart({});
  reconciler_->set_owner(v1::OWNER_PRESENT, now());
  auto actions = run_for(milliseconds(1));
  EXPECT_EQ(of<Suspend>(actions).size(), 1U);
  EXPECT_EQ(told(actions), Acts{});
  reconciler_->set_owner(v1::OWNER_AWAY, now());
  actions = run_for(milliseconds(1));
  EXPECT_EQ(of<Resume>(actions).size(), 1U);
  EXPECT_EQ(told(actions), Acts{v1::LEASE_RESUMED});
  restart({});
  actions = run_for(milliseconds(1));
  EXPECT_EQ(of<Resume>(actions).size(), 1U);
  EXPECT_EQ(told(actions), Acts{});
  reconciler_->set_eviction(milliseconds(300), seconds(4));
  reconciler_->set_owner(v1::OWNER_PRESENT, now());
  EXPECT_EQ(told(run_for(seconds(1))), (Acts{v1::LEASE_SUSPENDED, v1::LEASE_EVICTED}));
  restart({});
  actions = run_for(milliseconds(1));
  EXPECT_EQ(of<Stop>(actions).size(), 1U);
  EXPECT_EQ(told(actions), Acts{});
}

TEST_F(ReconcilerTest, PausedLetsRunOut) {
  connect();
  bring_up(lease(7));
  reconciler_->set_owner(v1::OWNER_PAUSED, now());
  const auto actions = run_for(seconds(60));
  EXPECT_THAT(of<Suspend>(actions), IsEmpty());
  EXPECT_THAT(of<Stop>(actions), IsEmpty());
  EXPECT_EQ(last_.owner(), v1::OWNER_PAUSED);
}

TEST_F(ReconcilerTest, AStopIsPoliteThenHard) {
  connect();
  v1::DesiredLease desired = lease(7);
  bring_up(desired);
  desired.set_stop(true);
  desired.set_stop_grace_us(seconds(3).value);
  desire({desired});
  EXPECT_EQ(of<Stop>(run_for(milliseconds(1))).size(), 1U);
  EXPECT_THAT(of<Kill>(run_for(milliseconds(2900))), IsEmpty());
  EXPECT_EQ(of<Kill>(run_for(milliseconds(200))).size(), 1U);
  // The kill shows no effect: it is repeated, not flooded.
  EXPECT_EQ(of<Kill>(run_for(milliseconds(5100))).size(), 1U);
  reconciler_->happened(Exited{LeaseId(7), clock_, ExitCause::kExited, 137, 9, ""}, now());
  collected(7);
  run_for(milliseconds(1));
  EXPECT_EQ(report(7).reason(), v1::STOPPED);
  EXPECT_EQ(report(7).signal(), 9);
}

TEST_F(ReconcilerTest, ACompletionBeforeTheStopWins) {
  connect();
  v1::DesiredLease desired = lease(7);
  bring_up(desired);
  const Time ended = clock_;
  pass(milliseconds(20));
  desired.set_stop(true);
  desire({desired});
  step();
  reconciler_->happened(Exited{LeaseId(7), ended, ExitCause::kExited, 0, 0, ""}, now());
  collected(7);
  run_for(milliseconds(1));
  EXPECT_EQ(report(7).reason(), v1::COMPLETED);
}

TEST_F(ReconcilerTest, AStopOfWhatNeverStartedIsAnEnd) {
  connect();
  v1::DesiredLease desired = lease(7);
  desired.set_stop(true);
  desire({desired});
  const auto actions = run_for(milliseconds(1));
  EXPECT_THAT(of<Prepare>(actions), IsEmpty());
  EXPECT_EQ(report(7).state(), v1::ENDED);
  EXPECT_EQ(report(7).reason(), v1::STOPPED);
}

TEST_F(ReconcilerTest, EveryEndingHasItsReason) {
  struct Case {
    ExitCause cause;
    int code;
    v1::EndReason reason;
  };
  std::uint64_t id = 10;
  connect();
  for (const Case& one :
       {Case{ExitCause::kExited, 0, v1::COMPLETED}, Case{ExitCause::kExited, 3, v1::EXIT_CODE},
        Case{ExitCause::kStartFailed, 0, v1::START_FAILED},
        Case{ExitCause::kOutOfMemory, 137, v1::OUT_OF_MEMORY},
        Case{ExitCause::kDiskFull, 137, v1::DISK_LIMIT},
        Case{ExitCause::kFenced, 137, v1::HOST_LOST},
        Case{ExitCause::kLost, 0, v1::WORKLOAD_LOST}}) {
    bring_up(lease(++id));
    exit_with(id, one.code, one.cause);
    run_for(milliseconds(1));
    collected(id);
    run_for(milliseconds(1));
    EXPECT_EQ(report(id).reason(), one.reason) << static_cast<int>(one.cause);
    EXPECT_EQ(report(id).exit_code(), one.code);
  }
}

TEST_F(ReconcilerTest, LostOutputsUndoACompletionOnly) {
  connect();
  v1::DesiredLease desired = lease(7);
  desired.mutable_workload()->set_collect_output(true);
  bring_up(desired);
  exit_with(7, 0);
  run_for(milliseconds(1));
  reconciler_->happened(CollectFailed{LeaseId(7), v1::HOST_LOST, "store gone"}, now());
  run_for(milliseconds(1));
  EXPECT_EQ(report(7).reason(), v1::HOST_LOST);
  desired.set_lease(8);
  bring_up(desired);
  exit_with(8, 2);
  run_for(milliseconds(1));
  reconciler_->happened(CollectFailed{LeaseId(8), v1::HOST_LOST, "store gone"}, now());
  run_for(milliseconds(1));
  EXPECT_EQ(report(8).reason(), v1::EXIT_CODE);
}

TEST_F(ReconcilerTest, DevicesAreTakenOnlyWhenTheyAreFree) {
  connect();
  bring_up(lease(7, {0, 1}));
  desire({lease(8, {1}), lease(9, {2})});  // 7 is wanted no more
  auto actions = run_for(milliseconds(1));
  EXPECT_EQ(of<Kill>(actions).size(), 1U);
  reconciler_->happened(Prepared{LeaseId(8)}, now());
  reconciler_->happened(Prepared{LeaseId(9)}, now());
  actions = run_for(seconds(1));
  ASSERT_EQ(of<Start>(actions).size(), 1U);
  EXPECT_EQ(of<Start>(actions)[0].desired.lease(), 9U);
  exit_with(7, 137);
  actions = run_for(milliseconds(1));
  ASSERT_EQ(of<Start>(actions).size(), 1U);
  EXPECT_EQ(of<Start>(actions)[0].desired.lease(), 8U);
  EXPECT_EQ(of<Forget>(actions).size(), 1U);
}

TEST_F(ReconcilerTest, SharesOfOneDeviceFitTogether) {
  connect();
  std::vector<v1::DesiredLease> leases;
  for (std::uint64_t id = 1; id <= 3; ++id) {
    leases.push_back(lease(id));
    leases.back().set_device_thousandths(400);
  }
  desire(leases);
  run_for(milliseconds(1));
  for (std::uint64_t id = 1; id <= 3; ++id) reconciler_->happened(Prepared{LeaseId(id)}, now());
  EXPECT_EQ(of<Start>(run_for(milliseconds(1))).size(), 2U);
}

TEST_F(ReconcilerTest, ALeaseThatLeavesTheSetIsKilledAndForgotten) {
  connect();
  bring_up(lease(7));
  desire({});
  EXPECT_EQ(of<Kill>(run_for(milliseconds(1))).size(), 1U);
  exit_with(7, 137);
  const auto actions = run_for(milliseconds(1));
  EXPECT_THAT(of<Collect>(actions), IsEmpty());
  EXPECT_EQ(of<Forget>(actions).size(), 1U);
}

}  // namespace
}  // namespace fallow::agent
