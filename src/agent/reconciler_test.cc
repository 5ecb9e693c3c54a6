#include "agent/reconciler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "base/digest.h"
#include "base/meter_bytes.h"

namespace fallow::agent {
namespace {

using testing::IsEmpty;

// The hub's side and the world's, by hand.
class ReconcilerTest : public testing::Test {
 protected:
  ReconcilerTest()
      : random_(seeded_random(1)),
        signer_(SigningKey::generate(*random_)),
        reconciler_(std::make_unique<Reconciler>(options(), signer_, *random_)) {}

  static SessionOptions options() {
    SessionOptions options;
    options.node = NodeId(5);
    return options;
  }

  Now now() const { return {Time{1'700'000'000'000'000 + clock_.us}, clock_}; }
  void pass(Duration duration) { clock_ = clock_ + duration; }

  std::vector<Action> step() {
    std::vector<Action> actions = reconciler_->step(now());
    for (const Action& action : actions) {
      if (const auto* persist = std::get_if<Persist>(&action)) {
        stored_[persist->record.lease()] = persist->record;
      } else if (const auto* forget = std::get_if<Forget>(&action)) {
        stored_.erase(forget->lease);
      } else if (const auto* send = std::get_if<Send>(&action)) {
        if (send->message.has_observed()) observed_.push_back(send->message.observed());
      }
    }
    return actions;
  }
  // Goes on in time, stepping whenever the reconciler wants to be.
  std::vector<Action> run_for(Duration duration) {
    const Time end = clock_ + duration;
    std::vector<Action> all;
    for (int turns = 0; turns < 100'000; ++turns) {
      for (Action& action : step()) all.push_back(std::move(action));
      if (acknowledges_) acknowledge_all();
      const Time next = reconciler_->next_deadline();
      if (next > end) break;
      clock_ = std::max(clock_, next);
    }
    clock_ = end;
    for (Action& action : step()) all.push_back(std::move(action));
    if (acknowledges_) acknowledge_all();
    return all;
  }

  template <class A>
  static std::vector<A> of(const std::vector<Action>& actions) {
    std::vector<A> found;
    for (const Action& action : actions) {
      if (const auto* one = std::get_if<A>(&action)) found.push_back(*one);
    }
    return found;
  }

  void welcome() {
    reconciler_->link_opened(now());
    v1::HubMessage challenge;
    challenge.mutable_challenge()->set_nonce(std::string(32, 'n'));
    reconciler_->received(challenge, now());
    v1::HubMessage welcome;
    *welcome.mutable_welcome()->mutable_policy() = default_policy();
    welcome.mutable_welcome()->set_heartbeat_us(seconds(2).value);
    welcome.mutable_welcome()->set_session_token("token");
    reconciler_->received(welcome, now());
  }
  void connect() {
    run_for(seconds(1));
    welcome();
    step();
    acknowledge_all();
  }
  void acknowledge(std::uint64_t sequence) {
    v1::HubMessage ack;
    ack.mutable_observed_ack()->set_sequence(sequence);
    reconciler_->received(ack, now());
  }
  void acknowledge_all() {
    for (const v1::Observed& observed : observed_) acknowledge(observed.sequence());
    if (!observed_.empty()) last_ = observed_.back();
    observed_.clear();
  }

  static v1::DesiredLease lease(std::uint64_t id, const std::vector<std::uint32_t>& devices = {0}) {
    v1::DesiredLease desired;
    desired.set_lease(id);
    for (const std::uint32_t device : devices) desired.add_devices(device);
    desired.set_device_thousandths(1000);
    desired.mutable_workload()->add_command("true");
    desired.set_time_us_max(hours(1).value);
    desired.set_stop_grace_us(seconds(10).value);
    return desired;
  }
  void desire(const std::vector<v1::DesiredLease>& leases) {
    v1::HubMessage message;
    message.mutable_desired()->set_revision(++revision_);
    for (const auto& one : leases) *message.mutable_desired()->add_leases() = one;
    reconciler_->received(message, now());
  }
  // From desired to running, the market hearing of it.
  void bring_up(const v1::DesiredLease& desired) {
    desire({desired});
    auto actions = run_for(milliseconds(1));
    ASSERT_EQ(of<Prepare>(actions).size(), 1U);
    reconciler_->happened(Prepared{LeaseId(desired.lease())}, now());
    actions = run_for(milliseconds(1));
    ASSERT_EQ(of<Start>(actions).size(), 1U);
    reconciler_->happened(Started{LeaseId(desired.lease()), clock_}, now());
    run_for(milliseconds(1));
  }
  void exit_with(std::uint64_t id, int code, ExitCause cause = ExitCause::kExited) {
    reconciler_->happened(Exited{LeaseId(id), clock_, cause, code, 0, ""}, now());
  }
  void collected(std::uint64_t id, std::string manifest = "") {
    reconciler_->happened(Collected{LeaseId(id), std::move(manifest)}, now());
  }
  v1::WorkloadReport report(std::uint64_t id) const {
    for (const auto& one : last_.workloads()) {
      if (one.lease() == id) return one;
    }
    return {};
  }
  // A new agent on what the old one stored.
  void restart(const std::vector<RuntimeEvent>& meanwhile) {
    std::vector<WorkloadRecord> records;
    for (const auto& [id, record] : stored_) {
      records.push_back(decode_record(encode_record(record)).value());
    }
    observed_.clear();
    reconciler_ = std::make_unique<Reconciler>(options(), signer_, *random_);
    reconciler_->adopt(std::move(records), meanwhile, now());
  }

  Time clock_{1'000'000};
  std::unique_ptr<Random> random_;
  KeySigner signer_;
  std::unique_ptr<Reconciler> reconciler_;
  std::map<LeaseId, WorkloadRecord> stored_;
  std::vector<v1::Observed> observed_;
  v1::Observed last_;
  std::uint64_t revision_ = 0;
  bool acknowledges_ = true;
};

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

TEST_F(ReconcilerTest, StoresBeforeItActsAndBeforeItTells) {
  connect();
  desire({lease(7)});
  auto actions = step();
  ASSERT_GE(actions.size(), 2U);
  EXPECT_TRUE(std::holds_alternative<Persist>(actions[0]));
  acknowledge_all();
  reconciler_->happened(Prepared{LeaseId(7)}, now());
  step();
  reconciler_->happened(Started{LeaseId(7), clock_}, now());
  step();
  pass(seconds(5));
  actions = step();
  std::uint32_t stored = 0;
  bool sent = false;
  for (const Action& action : actions) {
    if (const auto* persist = std::get_if<Persist>(&action))
      stored = persist->record.meter_sequence;
    if (const auto* send = std::get_if<Send>(&action)) {
      sent = true;
      ASSERT_EQ(send->message.observed().workloads(0).meters_size(), 1);
      EXPECT_EQ(send->message.observed().workloads(0).meters(0).sequence(), stored);
    }
  }
  EXPECT_TRUE(sent);
}

TEST_F(ReconcilerTest, MetersAreCumulativeInOrderAndSigned) {
  connect();
  bring_up(lease(7));
  std::uint32_t sequence = 0;
  std::int64_t running = 0;
  for (int i = 0; i < 30; ++i) {
    pass(seconds(1));
    step();
    for (const v1::Observed& observed : observed_) {
      for (const v1::MeterRecord& meter : observed.workloads(0).meters()) {
        if (meter.sequence() <= sequence) continue;
        EXPECT_EQ(meter.sequence(), sequence + 1);
        EXPECT_GT(meter.running_us(), running);
        EXPECT_TRUE(verify_signature(
            to_bytes(signer_.public_key()),
            meter_bytes(signer_.public_key(), LeaseId(7), meter.sequence(),
                        Duration(meter.running_us()), Time{meter.measured_at_us()}),
            meter.signature()));
        sequence = meter.sequence();
        running = meter.running_us();
      }
    }
    acknowledge_all();
  }
  EXPECT_EQ(sequence, 6U);
  EXPECT_NEAR(static_cast<double>(running), 30e6, 1.1e6);
}

TEST_F(ReconcilerTest, UnacknowledgedMetersComeAgainUnchanged) {
  connect();
  bring_up(lease(7));
  acknowledges_ = false;
  observed_.clear();
  run_for(seconds(8));
  ASSERT_FALSE(observed_.empty());
  const v1::MeterRecord first = observed_.back().workloads(0).meters(0);
  reconciler_->link_closed(now());
  run_for(seconds(6));
  observed_.clear();
  welcome();
  step();
  ASSERT_EQ(observed_.size(), 1U);
  ASSERT_GE(observed_[0].workloads(0).meters_size(), 2);
  EXPECT_EQ(observed_[0].workloads(0).meters(0).SerializeAsString(), first.SerializeAsString());
  acknowledge_all();
  run_for(milliseconds(1));
  EXPECT_THAT(reconciler_->workloads().at(LeaseId(7)).record.meters, IsEmpty());
}

TEST_F(ReconcilerTest, SuspendedTimeIsNotRunningTime) {
  connect();
  bring_up(lease(7));
  run_for(seconds(3));
  reconciler_->set_owner(v1::OWNER_PRESENT, now());
  EXPECT_EQ(of<Suspend>(step()).size(), 1U);
  run_for(seconds(4));
  EXPECT_EQ(report(7).state(), v1::SUSPENDED);
  reconciler_->set_owner(v1::OWNER_AWAY, now());
  EXPECT_EQ(of<Resume>(step()).size(), 1U);
  run_for(seconds(2));
  exit_with(7, 0);
  run_for(milliseconds(1));
  EXPECT_NEAR(static_cast<double>(reconciler_->workloads().at(LeaseId(7)).record.metered.value),
              5e6, 1e4);
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

TEST_F(ReconcilerTest, TimeThatWasPaidForEndsIt) {
  connect();
  v1::DesiredLease desired = lease(7);
  desired.set_time_us_max(seconds(8).value);
  bring_up(desired);
  EXPECT_THAT(of<Stop>(run_for(milliseconds(7900))), IsEmpty());
  EXPECT_EQ(of<Stop>(run_for(milliseconds(200))).size(), 1U);
  run_for(seconds(1));
  reconciler_->happened(Exited{LeaseId(7), clock_, ExitCause::kExited, 143, 15, ""}, now());
  collected(7);
  run_for(milliseconds(1));
  EXPECT_EQ(report(7).reason(), v1::TIME_LIMIT);
  // Nothing after the decision to stop counts.
  EXPECT_NEAR(static_cast<double>(reconciler_->workloads().at(LeaseId(7)).record.metered.value),
              8e6, 1e4);
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

TEST_F(ReconcilerTest, TheBacklogOfMetersIsBounded) {
  connect();
  bring_up(lease(7));
  // A market that acknowledges, so that nothing fences, but only reports before the meters: each
  // is answered late by more than the flights that are remembered.
  WorkloadRecord& record =
      const_cast<WorkloadRecord&>(reconciler_->workloads().at(LeaseId(7)).record);
  v1::MeterRecord meter;
  while (record.meters.size() < Reconciler::kMetersMax) {
    meter.set_sequence(++record.meter_sequence);
    record.meters.push_back(meter);
  }
  acknowledges_ = false;
  run_for(seconds(9));
  EXPECT_EQ(record.meters.size(), Reconciler::kMetersMax);
  EXPECT_LE(observed_.back().workloads(0).meters_size(),
            static_cast<int>(Reconciler::kMetersPerReport));
  // The end is proven all the same.
  exit_with(7, 0);
  EXPECT_EQ(record.meters.size(), Reconciler::kMetersMax + 1);
  EXPECT_GE(record.metered.value, seconds(9).value);
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

TEST_F(ReconcilerTest, ASleepOfTheMachineIsNotRunningTime) {
  connect();
  bring_up(lease(7));
  run_for(seconds(3));
  pass(seconds(10));
  reconciler_->slept(seconds(10), now());
  run_for(seconds(1));
  exit_with(7, 0);
  EXPECT_NEAR(static_cast<double>(reconciler_->workloads().at(LeaseId(7)).record.ran.value), 4e6,
              1e5);
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

TEST(WorkloadRecordTest, ComesBackAndNoticesEveryAlteredByte) {
  WorkloadRecord record;
  record.desired.set_lease(9);
  record.phase = Phase::kStopping;
  record.stop_reason = v1::TIME_LIMIT;
  record.stop_detail = "why";
  record.kill_at = Time{77};
  record.started = record.suspended = true;
  record.ran = seconds(3);
  record.meter_sequence = 4;
  record.meters.emplace_back().set_sequence(4);
  record.fence_at = Time{5};
  record.end.set_detail("d");
  const std::string bytes = encode_record(record);
  const auto back = decode_record(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(encode_record(*back), bytes);
  EXPECT_EQ(back->stop_reason, v1::TIME_LIMIT);
  EXPECT_TRUE(back->suspended);
  EXPECT_FALSE(back->running);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string altered = bytes;
    altered[i] = static_cast<char>(altered[i] ^ 1);
    EXPECT_FALSE(decode_record(altered)) << i;
    EXPECT_FALSE(decode_record(bytes.substr(0, i))) << i;
  }
}

}  // namespace
}  // namespace fallow::agent
