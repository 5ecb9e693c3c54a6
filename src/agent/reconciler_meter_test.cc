#include "agent/reconciler_test.h"
#include "base/digest.h"

namespace fallow::agent {
namespace {

using testing::IsEmpty;

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
        EXPECT_TRUE(
            verify_signature(to_bytes(signer_.public_key()),
                             meter_bytes(signer_.public_key(), LeaseId(7), meter.sequence(),
                                         Duration(meter.running_us()), Time{meter.measured_at_us()},
                                         Duration(meter.slowed_us()), meter.egress_bytes()),
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

// The market's clock stood still, say: it cannot believe the record before some time has passed.
TEST_F(ReconcilerTest, ARecordThatDoesNotCountYetIsKeptAndSentAgain) {
  connect();
  bring_up(lease(7));
  acknowledges_ = false;
  run_for(seconds(5));
  const auto answer = [&](std::uint32_t taken) {
    v1::HubMessage message;
    v1::ObservedAck& ack = *message.mutable_observed_ack();
    ack.set_sequence(observed_.back().sequence());
    v1::MetersNotTaken& kept = *ack.add_not_taken();
    kept.set_lease(7);
    kept.set_taken(taken);
    observed_.clear();
    reconciler_->received(message, now());
  };
  const auto waiting = [&] { return reconciler_->workloads().at(LeaseId(7)).record.meters.size(); };
  ASSERT_EQ(waiting(), 1U);
  answer(0);
  EXPECT_EQ(waiting(), 1U);
  EXPECT_THAT(of<Send>(step()), IsEmpty()) << "not at once, or it would be sent without end";
  run_for(seconds(5));
  ASSERT_EQ(waiting(), 2U);
  ASSERT_FALSE(observed_.empty());
  ASSERT_EQ(observed_.back().workloads(0).meters_size(), 2);
  EXPECT_EQ(observed_.back().workloads(0).meters(0).sequence(), 1U);
  answer(1);
  ASSERT_EQ(waiting(), 1U);
  run_for(seconds(1));
  acknowledges_ = true;
  run_for(seconds(3));
  EXPECT_EQ(waiting(), 0U);
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

TEST_F(ReconcilerTest, AfterStandingStillNobodyPaysUntilTheFence) {
  connect();
  bring_up(lease(7));
  run_for(seconds(3));
  const Time ended = clock_ + seconds(1);
  pass(minutes(1));  // the agent stood still, and its fence has passed
  reconciler_->happened(Started{LeaseId(9), clock_}, now());
  reconciler_->happened(Exited{LeaseId(7), ended, ExitCause::kExited, 0, 0, ""}, now());
  run_for(milliseconds(1));
  EXPECT_NEAR(static_cast<double>(reconciler_->workloads().at(LeaseId(7)).record.metered.value),
              4e6, 1e4);
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

TEST_F(ReconcilerTest, MoreTimeIsNotTheOldTimesEnd) {
  connect();
  v1::DesiredLease desired = lease(7);
  desired.set_time_us_max(seconds(8).value);
  bring_up(desired);
  EXPECT_THAT(of<Stop>(run_for(seconds(7))), IsEmpty());
  desired.set_time_us_max(seconds(12).value);
  desire({desired});
  EXPECT_THAT(of<Stop>(run_for(milliseconds(4900))), IsEmpty());
  EXPECT_EQ(of<Stop>(run_for(milliseconds(200))).size(), 1U);
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

TEST_F(ReconcilerTest, WhatDevicesLoseIsSignedWithTheRunningTime) {
  policy_.set_credit_basis_points_max(5'000);
  connect();
  bring_up(lease(7, {0, 1}));
  run_for(seconds(1));
  const auto record = [&] { return reconciler_->workloads().at(LeaseId(7)).record; };
  reconciler_->devices_slowed({{0, milliseconds(500)}, {2, seconds(1)}}, now());
  EXPECT_EQ(record().slowed, milliseconds(250)) << "the mean of its two devices";
  reconciler_->devices_slowed({{0, seconds(90)}, {1, seconds(90)}}, now());
  const Duration counted = record().slowed;
  EXPECT_EQ(counted, record().running_time(clock_)) << "no more than it ran";
  reconciler_->set_owner(v1::OWNER_PRESENT, now());
  step();
  pass(seconds(1));
  reconciler_->devices_slowed({{0, seconds(1)}, {1, seconds(1)}}, now());
  EXPECT_EQ(record().slowed, counted) << "suspended";
  ASSERT_FALSE(record().meters.empty());
  const v1::MeterRecord meter = record().meters.back();
  EXPECT_EQ(meter.slowed_us(), counted.value);
  EXPECT_TRUE(verify_signature(
      to_bytes(signer_.public_key()),
      meter_bytes(signer_.public_key(), LeaseId(7), meter.sequence(), Duration(meter.running_us()),
                  Time{meter.measured_at_us()}, counted, 0),
      meter.signature()));
  restart({});
  EXPECT_EQ(record().slowed, counted) << "a new agent goes on from there";
}

TEST_F(ReconcilerTest, WhatIsSentIsSignedWithTheRunningTime) {
  connect();
  v1::DesiredLease desired = lease(7);
  desired.set_egress_bytes_max(1'000'000);
  bring_up(desired);
  acknowledges_ = false;
  const auto record = [&] { return reconciler_->workloads().at(LeaseId(7)).record; };
  reconciler_->sent(LeaseId(7), 1'000);
  reconciler_->sent(LeaseId(8), 1'000);
  run_for(seconds(6));
  ASSERT_FALSE(record().meters.empty());
  const v1::MeterRecord meter = record().meters.back();
  EXPECT_EQ(meter.egress_bytes(), 1'000);
  EXPECT_TRUE(verify_signature(
      to_bytes(signer_.public_key()),
      meter_bytes(signer_.public_key(), LeaseId(7), meter.sequence(), Duration(meter.running_us()),
                  Time{meter.measured_at_us()}, Duration(0), 1'000),
      meter.signature()));
  reconciler_->sent(LeaseId(7), 900);
  EXPECT_EQ(record().egress_bytes, 1'000) << "what was counted once stays so";
  restart({});
  EXPECT_EQ(record().egress_bytes, 1'000) << "a new agent goes on from there";
  Exited end{LeaseId(7), clock_, ExitCause::kExited, 0, 0, ""};
  end.egress_bytes = 5'000;
  pass(seconds(1));
  end.at = clock_;
  reconciler_->happened(end, now());
  ASSERT_FALSE(record().meters.empty());
  EXPECT_EQ(record().meters.back().egress_bytes(), 5'000) << "what its network had counted last";
}

TEST_F(ReconcilerTest, WhatWasSentIsToldThoughTheEndWasBeforeTheLastRecord) {
  connect();
  v1::DesiredLease desired = lease(7);
  desired.set_egress_bytes_max(1'000'000);
  bring_up(desired);
  acknowledges_ = false;
  const auto& record = reconciler_->workloads().at(LeaseId(7)).record;
  while (record.meters.empty()) run_for(milliseconds(100));
  const v1::MeterRecord before = record.meters.back();
  Exited end{LeaseId(7), clock_ - seconds(1), ExitCause::kExited, 1, 0, ""};
  end.egress_bytes = 5'000;
  reconciler_->happened(end, now());
  ASSERT_EQ(record.meters.size(), 2);
  EXPECT_EQ(record.meters.back().egress_bytes(), 5'000);
  EXPECT_EQ(record.meters.back().running_us(), before.running_us());
}

TEST_F(ReconcilerTest, WhatIsSentIsNotToldToAMarketThatPutsNoPriceOnIt) {
  connect();
  bring_up(lease(7));
  reconciler_->sent(LeaseId(7), 1'000);
  EXPECT_EQ(reconciler_->workloads().at(LeaseId(7)).record.egress_bytes, 0);
}

TEST_F(ReconcilerTest, WhatIsSentForNothingIsToldWhereItMayHaveAPrice) {
  policy_.set_prices_egress(true);
  connect();
  bring_up(lease(7));
  reconciler_->sent(LeaseId(7), 1'000);
  EXPECT_EQ(reconciler_->workloads().at(LeaseId(7)).record.egress_bytes, 1'000);
}

TEST_F(ReconcilerTest, WhoeverFailsWithNothingLeftToSendIsToldSo) {
  policy_.set_prices_egress(true);
  connect();
  v1::DesiredLease desired = lease(7);
  desired.set_egress_bytes_max(2'000'000);
  bring_up(desired);
  reconciler_->sent(LeaseId(7), 2'000'000);
  run_for(seconds(1));
  exit_with(7, 1);
  EXPECT_EQ(reconciler_->workloads().at(LeaseId(7)).record.end.detail(),
            "it had sent the 0.002 GB that the order allows, so its network was closed: allow it "
            "more");
}

TEST_F(ReconcilerTest, AMarketThatCreditsNothingIsToldNothing) {
  connect();
  bring_up(lease(7));
  run_for(seconds(1));
  reconciler_->devices_slowed({{0, seconds(1)}}, now());
  exit_with(7, 0);
  const WorkloadRecord& record = reconciler_->workloads().at(LeaseId(7)).record;
  ASSERT_FALSE(record.meters.empty());
  EXPECT_EQ(record.meters.back().slowed_us(), 0);
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

}  // namespace
}  // namespace fallow::agent
