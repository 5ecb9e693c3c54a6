#include "core/credits.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/test_machine.h"

namespace fallow::core {
namespace {

Lease billed(std::int64_t charged, std::int64_t fee, Duration proven, Duration slowed) {
  Lease lease;
  lease.hold = lease.charged = Micros(charged);
  lease.rate_hour = Micros(1'000'000'000'000);  // any time takes all that is held
  lease.time_max = proven;
  lease.fee = Micros(fee);
  if (fee > 0) lease.fee_basis_points = static_cast<std::uint32_t>(fee * 10'000 / charged);
  lease.proven = proven;
  lease.slowed = slowed;
  lease.credit_basis_points_max = 10'000;
  return lease;
}

TEST(Credits, TheShareOfTheTimeIsRoundedForTheRenter) {
  EXPECT_EQ(credit_of(billed(1'000, 50, seconds(10), seconds(0))), Micros(0));
  EXPECT_EQ(credit_of(billed(1'000, 50, seconds(10), seconds(4))), Micros(400));
  EXPECT_EQ(credit_of(billed(1'000, 50, seconds(3), seconds(1))), Micros(334));
  EXPECT_EQ(credit_of(billed(0, 0, seconds(3), seconds(1))), Micros(0));
  EXPECT_EQ(credit_of(billed(0, 0, Duration(0), Duration(0))), Micros(0));
}

TEST(Credits, NeitherTheFeeNorMoreThanTheRuleAllowsIsGivenBack) {
  EXPECT_EQ(credit_of(billed(1'000, 50, seconds(10), seconds(10))), Micros(950));
  Lease lease = billed(1'001, 50, seconds(10), seconds(8));
  lease.credit_basis_points_max = 5'000;
  EXPECT_EQ(credit_of(lease), Micros(500));
  lease.credit_basis_points_max = 0;
  EXPECT_EQ(credit_of(lease), Micros(0));
}

TEST(Credits, TheProofCountsWhereItShowsMoreThanTheNodeSays) {
  Lease lease = billed(1'000, 0, seconds(10), seconds(2));
  lease.slow_basis_points = 3'000;
  EXPECT_EQ(slowed_time(lease), seconds(3));
  EXPECT_EQ(credit_of(lease), Micros(300));
  lease.slowed = seconds(4);
  EXPECT_EQ(credit_of(lease), Micros(400));
}

TEST(Credits, OnlyADeviceThatWasSlowLacksSomething) {
  Node node;
  const auto add = [&](v1::ProofState state, std::uint64_t measured, std::uint64_t verified) {
    NodeDevice& device = node.devices.emplace_back();
    device.facts.mutable_proof()->set_state(state);
    device.facts.mutable_proof()->mutable_speeds()->set_int8_mops(measured);
    device.verified_int8_mops = verified;
  };
  add(v1::SLOW, 300, 400);
  add(v1::PROVEN, 400, 400);
  add(v1::SLOW, 300, 0);
  add(v1::SLOW, 500, 400);
  add(v1::UNANSWERED, 0, 400);
  EXPECT_EQ(slow_basis_points(node, {0}), 2'500U);
  EXPECT_EQ(slow_basis_points(node, {0, 1}), 1'250U);
  EXPECT_EQ(slow_basis_points(node, {1}), 0U);
  EXPECT_EQ(slow_basis_points(node, {2}), 0U) << "it was never verified";
  EXPECT_EQ(slow_basis_points(node, {3}), 0U);
  EXPECT_EQ(slow_basis_points(node, {4}), 0U);
}

class CreditsTest : public MachineTest {
 protected:
  void SetUp() override { begin(10'000); }
  void begin(std::uint32_t credit_basis_points_max) {
    v1::Command founding = test_found();
    founding.mutable_found()->mutable_policy()->set_credit_basis_points_max(
        credit_basis_points_max);
    ASSERT_EQ(refusal_of(founding), v1::REFUSAL_UNSPECIFIED);
    provider_ = open(v1::PROVIDER);
    renter_ = open(v1::RENTER);
    deposit(renter_, 1'000'000'000);
    node_ = node(provider_, 3'600'000);  // a micro for each millisecond
  }

  const Lease& rent() {
    EXPECT_EQ(refusal_of(submit(renter_), renter_), v1::REFUSAL_UNSPECIFIED);
    const Lease* newest = nullptr;
    machine_.visit_leases_newest(LeaseId(0), [&](const Lease& lease) {
      newest = &lease;
      return false;
    });
    return *newest;
  }
  const Events& observe(const Lease& lease, Duration running, Duration slowed,
                        v1::EndReason ending) {
    now_ = std::max(now_, lease.placed_at + running);
    v1::Command command;
    command.mutable_observe()->set_node(lease.node.value);
    v1::WorkloadReport& report = *command.mutable_observe()->add_workloads();
    report.set_lease(lease.id.value);
    report.set_state(ending == v1::END_REASON_UNSPECIFIED ? v1::RUNNING : v1::ENDED);
    report.set_reason(ending);
    v1::MeterRecord& meter = *report.add_meters();
    meter.set_lease(lease.id.value);
    meter.set_sequence(lease.meter_sequence + 1);
    meter.set_running_us(running.value);
    meter.set_slowed_us(slowed.value);
    return apply(command);
  }
  void prove(v1::ProofOutcome outcome, std::uint64_t int8_mops) {
    v1::Command start;
    start.mutable_start_proof()->set_node(node_);
    start.mutable_start_proof()->set_seed(test_hash(3));
    ASSERT_EQ(refusal_of(start), v1::REFUSAL_UNSPECIFIED);
    v1::Command finish;
    finish.mutable_finish_proof()->set_node(node_);
    finish.mutable_finish_proof()->set_proof(machine_.node(NodeId(node_))->proof.value);
    v1::ProofResult& result = *finish.mutable_finish_proof()->add_results();
    result.set_outcome(outcome);
    result.mutable_speeds()->set_int8_mops(int8_mops);
    ASSERT_EQ(refusal_of(finish), v1::REFUSAL_UNSPECIFIED);
  }
  Micros balance(std::uint64_t account, v1::LedgerKind kind) const {
    return machine_.ledger().balance({AccountId(account), kind});
  }

  std::uint64_t provider_ = 0;
  std::uint64_t renter_ = 0;
  std::uint64_t node_ = 0;
};

TEST_F(CreditsTest, TheProviderPaysItAndTheFeeStays) {
  const Lease& lease = rent();
  observe(lease, seconds(5), seconds(1), v1::END_REASON_UNSPECIFIED);
  EXPECT_EQ(lease.slowed, seconds(1));
  EXPECT_EQ(lease.credited, Micros(0)) << "at its end";
  const Events& told = observe(lease, seconds(10), seconds(4), v1::COMPLETED);
  ASSERT_EQ(lease.state, v1::ENDED);
  EXPECT_EQ(lease.charged, Micros(10'000));
  EXPECT_EQ(lease.credited, Micros(4'000));
  EXPECT_EQ(lease.refunded, Micros(4'000));
  EXPECT_EQ(lease.fee, Micros(500));
  EXPECT_EQ(balance(0, v1::MARKET_FEE), Micros(500));
  EXPECT_EQ(balance(provider_, v1::PENDING), Micros(5'500));
  EXPECT_EQ(balance(renter_, v1::WALLET), Micros(1'000'000'000 - 6'000));
  const auto is_credit = [](const v1::Event& event) { return event.has_lease_credited(); };
  const auto found = std::find_if(told.begin(), told.end(), is_credit);
  ASSERT_NE(found, told.end());
  EXPECT_EQ(found->lease_credited().account(), renter_);
  EXPECT_EQ(found->lease_credited().slowed_us(), seconds(4).value);
  EXPECT_EQ(found->lease_credited().credited_micros(), 4'000);
}

TEST_F(CreditsTest, WhatIsRefundedIsNotCreditedToo) {
  const Lease& lease = rent();
  observe(lease, seconds(10), seconds(4), v1::DEVICE_FAULT);
  ASSERT_EQ(lease.state, v1::ENDED);
  EXPECT_EQ(lease.refunded, lease.charged);
  EXPECT_EQ(lease.credited, Micros(0));
}

TEST_F(CreditsTest, ARecordThatCannotBeTrueIsPassedOver) {
  const Lease& lease = rent();
  observe(lease, seconds(5), seconds(2), v1::END_REASON_UNSPECIFIED);
  const std::pair<Duration, Duration> wrong[] = {
      {seconds(6), seconds(1)}, {seconds(6), Duration(-1)}, {seconds(6), seconds(6) + Duration(1)}};
  for (const auto& [running, slowed] : wrong) {
    observe(lease, running, slowed, v1::END_REASON_UNSPECIFIED);
    EXPECT_EQ(lease.meter_sequence, 1U);
    EXPECT_EQ(lease.slowed, seconds(2));
  }
}

TEST_F(CreditsTest, ASlowProofCountsUntilAGoodOne) {
  prove(v1::PROOF_PASSED, 1'000);
  prove(v1::PROOF_SLOW, 600);
  const Lease& slow = rent();
  EXPECT_EQ(slow.slow_basis_points, 4'000U);
  observe(slow, seconds(10), seconds(1), v1::COMPLETED);
  EXPECT_EQ(slow.credited, Micros(4'000)) << "whatever the node says";
  prove(v1::PROOF_PASSED, 1'000);
  const Lease& good = rent();
  EXPECT_EQ(good.slow_basis_points, 0U);
  observe(good, seconds(10), seconds(0), v1::COMPLETED);
  EXPECT_EQ(good.credited, Micros(0));
}

TEST_F(CreditsTest, ANewDeviceOwesNothingToTheFormersProof) {
  prove(v1::PROOF_PASSED, 1'000);
  v1::Command report;
  report.mutable_report_node()->set_node(node_);
  *report.mutable_report_node()->mutable_facts() = test_facts(1);
  report.mutable_report_node()->mutable_facts()->mutable_devices(0)->set_uuid("another");
  ASSERT_EQ(refusal_of(report), v1::REFUSAL_UNSPECIFIED);
  prove(v1::PROOF_SLOW, 600);
  EXPECT_EQ(rent().slow_basis_points, 0U);
}

class NoCreditsTest : public CreditsTest {
 protected:
  void SetUp() override { begin(0); }
};

TEST_F(NoCreditsTest, AMarketWithoutTheRuleCreditsNothing) {
  prove(v1::PROOF_PASSED, 1'000);
  prove(v1::PROOF_SLOW, 600);
  const Lease& lease = rent();
  EXPECT_EQ(lease.slow_basis_points, 0U);
  observe(lease, seconds(10), seconds(4), v1::COMPLETED);
  EXPECT_EQ(lease.refunded, Micros(0));
  v1::Command policy;
  *policy.mutable_set_policy()->mutable_policy() = default_policy();
  policy.mutable_set_policy()->mutable_policy()->set_credit_basis_points_max(10'001);
  EXPECT_EQ(refusal_of(policy), v1::VALUE_INVALID);
}

}  // namespace
}  // namespace fallow::core
