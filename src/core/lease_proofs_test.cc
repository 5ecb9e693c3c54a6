#include "core/lease_proofs.h"

#include "core/test_machine.h"

namespace fallow::core {
namespace {

// A node of one verified device that can prove it inside leases, in a market that asks every lease.
class LeaseProofsTest : public MachineTest {
 protected:
  void SetUp() override {
    v1::Command founding = test_found();
    founding.mutable_found()->mutable_policy()->set_proof_interval_us(kHour.value);
    founding.mutable_found()->mutable_policy()->set_lease_proof_basis_points(10'000);
    ASSERT_EQ(refusal_of(founding), v1::REFUSAL_UNSPECIFIED);
    provider_ = open(v1::PROVIDER);
    renter_ = open(v1::RENTER);
    deposit(renter_, 1'000'000'000);
    node_ = node(provider_, 300'000);
    set_able(true);
    verify();
  }

  void set_able(bool able) {
    v1::Command command;
    command.mutable_report_node()->set_node(node_);
    v1::NodeFacts& facts = *command.mutable_report_node()->mutable_facts();
    facts = test_facts(1);
    facts.set_proves_in_leases(able);
    ASSERT_EQ(refusal_of(command), v1::REFUSAL_UNSPECIFIED);
  }
  void verify() {
    v1::Command start;
    start.mutable_start_proof()->set_node(node_);
    start.mutable_start_proof()->set_seed(test_hash(3));
    ASSERT_EQ(refusal_of(start), v1::REFUSAL_UNSPECIFIED);
    v1::Command finish;
    finish.mutable_finish_proof()->set_node(node_);
    finish.mutable_finish_proof()->set_proof(at().proof.value);
    v1::ProofResult& result = *finish.mutable_finish_proof()->add_results();
    result.set_outcome(v1::PROOF_PASSED);
    result.set_memory_mb(22'000);
    result.mutable_speeds()->set_int8_mops(5);
    ASSERT_EQ(refusal_of(finish), v1::REFUSAL_UNSPECIFIED);
    ASSERT_EQ(proof().state(), v1::PROVEN);
  }
  const Node& at() const { return *machine_.node(NodeId(node_)); }
  const v1::DeviceProof& proof() const { return at().devices[0].facts.proof(); }
  const Lease& leased() {
    v1::Command command = submit(renter_);
    command.mutable_submit_order()->set_attempts_max(1);  // it is not tried again, here
    apply(command, renter_);
    return *machine_.lease(at().leases.at(0));
  }
  v1::Refusal start(LeaseId lease, std::uint64_t actor = 0) {
    v1::Command command;
    command.mutable_start_proof()->set_node(node_);
    command.mutable_start_proof()->set_seed(test_hash(3));
    command.mutable_start_proof()->set_lease(lease.value);
    return refusal_of(command, actor);
  }
  v1::Command finishing(LeaseId lease, v1::ProofOutcome outcome) {
    v1::Command command;
    v1::FinishProof& finish = *command.mutable_finish_proof();
    finish.set_node(node_);
    finish.set_lease(lease.value);
    finish.set_proof(machine_.lease(lease)->proof.value);
    finish.add_results()->set_outcome(outcome);
    finish.mutable_results(0)->set_detail("why");
    return command;
  }
  void report(LeaseId lease, v1::LeaseState state, v1::EndReason reason) {
    v1::Command command;
    command.mutable_observe()->set_node(node_);
    v1::WorkloadReport& told = *command.mutable_observe()->add_workloads();
    told.set_lease(lease.value);
    told.set_state(state);
    told.set_reason(reason);
    ASSERT_EQ(refusal_of(command), v1::REFUSAL_UNSPECIFIED);
  }
  std::uint64_t wanted_proof(LeaseId lease) const {
    const v1::Desired desired = machine_.desired(NodeId(node_));
    for (const v1::DesiredLease& one : desired.leases()) {
      if (one.lease() == lease.value) return one.proof();
    }
    return 0;
  }

  std::uint64_t provider_ = 0;
  std::uint64_t renter_ = 0;
  std::uint64_t node_ = 0;
};

// Its proof takes the time of whatever runs beside it.
TEST_F(LeaseProofsTest, AProcessorIsAskedWhileItsNodeHasNoOtherLease) {
  v1::Command command;
  command.mutable_report_node()->set_node(node_);
  v1::NodeFacts& facts = *command.mutable_report_node()->mutable_facts();
  facts = test_facts(2);
  facts.set_proves_in_leases(true);
  for (v1::Device& device : *facts.mutable_devices()) device.set_kind(v1::CPU);
  ASSERT_EQ(refusal_of(command), v1::REFUSAL_UNSPECIFIED);
  verify();
  const auto lease_one = [&] {
    v1::Command order = submit(renter_);
    order.mutable_submit_order()->mutable_requirements()->set_query("device_kind=cpu");
    EXPECT_EQ(refusal_of(order, renter_), v1::REFUSAL_UNSPECIFIED);
  };
  lease_one();
  ASSERT_EQ(at().leases.size(), 1);
  const LeaseId first = *at().leases.begin();
  const auto asked = [&] {
    return devices_to_prove(machine_.policy(), at(), *machine_.lease(first));
  };
  ASSERT_EQ(asked().size(), 1);
  lease_one();
  ASSERT_EQ(at().leases.size(), 2);
  EXPECT_TRUE(asked().empty());
}

TEST_F(LeaseProofsTest, ALeaseWaitsForItsProofAndBegins) {
  const LeaseId lease = leased().id;
  ASSERT_EQ(start(lease), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(events_[0].proof_started().lease(), lease.value);
  const std::uint64_t revision = at().desired_revision;
  EXPECT_EQ(wanted_proof(lease), machine_.lease(lease)->proof.value);
  EXPECT_NE(wanted_proof(lease), 0U);
  report(lease, v1::STARTING, v1::END_REASON_UNSPECIFIED);
  restored();
  const std::int64_t shown_at_us = proof().at_us();
  ASSERT_EQ(refusal_of(finishing(lease, v1::PROOF_PASSED)), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(events_[0].device_checked().lease(), lease.value);
  EXPECT_EQ(proof().state(), v1::PROVEN);
  EXPECT_EQ(proof().speeds().int8_mops(), 5U) << "so little replaces no whole proof";
  EXPECT_EQ(proof().at_us(), shown_at_us) << "and renews none";
  EXPECT_EQ(wanted_proof(lease), 0U);
  EXPECT_GT(at().desired_revision, revision) << "its node hears of it";
  report(lease, v1::RUNNING, v1::END_REASON_UNSPECIFIED);
  EXPECT_EQ(machine_.lease(lease)->state, v1::RUNNING);
}

TEST_F(LeaseProofsTest, WhoFailsLosesItsClassAndTheLease) {
  struct Case {
    v1::ProofOutcome outcome;
    v1::ProofState state;
  };
  for (const Case& one : {Case{v1::PROOF_SLOW, v1::SLOW}, Case{v1::PROOF_WRONG, v1::DISPROVEN},
                          Case{v1::PROOF_MISSED, v1::UNANSWERED}}) {
    const LeaseId lease = leased().id;
    ASSERT_EQ(start(lease), v1::REFUSAL_UNSPECIFIED);
    ASSERT_EQ(refusal_of(finishing(lease, one.outcome)), v1::REFUSAL_UNSPECIFIED);
    EXPECT_EQ(proof().state(), one.state);
    const Lease& ended = *machine_.lease(lease);
    EXPECT_EQ(ended.state, v1::ENDED);
    EXPECT_EQ(ended.reason, v1::DEVICE_FAULT);
    EXPECT_EQ(ended.blame, v1::BLAME_PROVIDER);
    EXPECT_EQ(ended.charged, Micros(0));
    EXPECT_EQ(ended.fenced_at, Time{}) << "nothing of it ever ran: the task need not wait";
    EXPECT_FALSE(ended.proof);
    verify();
  }
}

TEST_F(LeaseProofsTest, ANodeThatBeginsItAnywayHasRunForNothing) {
  const auto begun = [this](v1::LeaseState state, v1::EndReason reason) {
    const LeaseId lease = leased().id;
    ASSERT_EQ(start(lease), v1::REFUSAL_UNSPECIFIED);
    report(lease, state, reason);
    const Lease& ended = *machine_.lease(lease);
    EXPECT_EQ(ended.reason, v1::DEVICE_FAULT);
    EXPECT_EQ(ended.charged, Micros(0));
    EXPECT_EQ(proof().state(), v1::UNANSWERED);
    verify();
  };
  begun(v1::RUNNING, v1::END_REASON_UNSPECIFIED);
  begun(v1::SUSPENDED, v1::END_REASON_UNSPECIFIED);
  begun(v1::ENDED, v1::COMPLETED);
}

TEST_F(LeaseProofsTest, WhatItBeganAnywayIsNotBegunAgainWhereItMustNotBe) {
  v1::Command command = submit(renter_);
  command.mutable_submit_order()->set_attempts_max(2);
  command.mutable_submit_order()->mutable_workload()->set_no_restart(true);
  ASSERT_EQ(refusal_of(command, renter_), v1::REFUSAL_UNSPECIFIED);
  const LeaseId lease = at().leases.at(0);
  ASSERT_EQ(start(lease), v1::REFUSAL_UNSPECIFIED);
  report(lease, v1::RUNNING, v1::END_REASON_UNSPECIFIED);
  EXPECT_EQ(machine_.lease(lease)->reason, v1::DEVICE_FAULT);
  EXPECT_EQ(machine_.order(machine_.lease(lease)->order)->state, v1::ORDER_FAILED);
}

TEST_F(LeaseProofsTest, WhoEndsItFirstLosesItsClassAllTheSame) {
  for (const v1::EndReason reason : {v1::START_FAILED, v1::OWNER_RETURNED}) {
    const LeaseId lease = leased().id;
    ASSERT_EQ(start(lease), v1::REFUSAL_UNSPECIFIED);
    report(lease, v1::ENDED, reason);
    EXPECT_EQ(machine_.lease(lease)->reason, reason);
    EXPECT_EQ(proof().state(), v1::UNANSWERED);
    verify();
  }
}

TEST_F(LeaseProofsTest, ARentersStopIsNoMiss) {
  const LeaseId lease = leased().id;
  ASSERT_EQ(start(lease), v1::REFUSAL_UNSPECIFIED);
  v1::Command stop;
  stop.mutable_stop_order()->set_order(machine_.lease(lease)->order.value);
  ASSERT_EQ(refusal_of(stop, renter_), v1::REFUSAL_UNSPECIFIED);
  ASSERT_EQ(refusal_of(finishing(lease, v1::PROOF_MISSED)), v1::REFUSAL_UNSPECIFIED);
  EXPECT_TRUE(events_[0].device_checked().excused());
  EXPECT_EQ(proof().state(), v1::PROVEN);
  report(lease, v1::ENDED, v1::STOPPED);
  EXPECT_EQ(machine_.lease(lease)->reason, v1::STOPPED);
  EXPECT_EQ(proof().state(), v1::PROVEN);
}

TEST_F(LeaseProofsTest, TheMarketsOwnAbsenceLetsItBegin) {
  const LeaseId lease = leased().id;
  ASSERT_EQ(start(lease), v1::REFUSAL_UNSPECIFIED);
  const v1::Command late = finishing(lease, v1::PROOF_MISSED);
  const std::uint64_t revision = at().desired_revision;
  v1::Command resume;
  resume.mutable_resume();
  apply(resume);
  EXPECT_EQ(wanted_proof(lease), 0U);
  EXPECT_GT(at().desired_revision, revision);
  EXPECT_EQ(refusal_of(late), v1::STALE);
  EXPECT_EQ(proof().state(), v1::PROVEN);
}

TEST_F(LeaseProofsTest, NotEveryLeaseCanBeAsked) {
  const LeaseId lease = leased().id;
  EXPECT_EQ(start(lease, renter_), v1::NOT_ALLOWED);
  EXPECT_EQ(start(LeaseId(1)), v1::NOT_FOUND);
  set_able(false);
  EXPECT_EQ(start(lease), v1::NOT_ALLOWED) << "an agent of before";
  set_able(true);
  change_policy([](v1::Policy& policy) { policy.set_lease_proof_basis_points(0); });
  EXPECT_EQ(start(lease), v1::NOT_ALLOWED);
  change_policy([](v1::Policy& policy) { policy.set_lease_proof_basis_points(10'000); });
  change_policy([](v1::Policy& policy) { policy.set_proof_interval_us(0); });
  EXPECT_EQ(start(lease), v1::NOT_ALLOWED);
  change_policy([](v1::Policy& policy) { policy.set_proof_interval_us(kHour.value); });
  ASSERT_EQ(start(lease), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(start(lease), v1::NOT_ALLOWED) << "twice";
  ASSERT_EQ(refusal_of(finishing(lease, v1::PROOF_PASSED)), v1::REFUSAL_UNSPECIFIED);
  report(lease, v1::RUNNING, v1::END_REASON_UNSPECIFIED);
  EXPECT_EQ(start(lease), v1::NOT_ALLOWED) << "it runs";
}

TEST_F(LeaseProofsTest, ResultsAreOfTheLeasesDevices) {
  const LeaseId lease = leased().id;
  ASSERT_EQ(start(lease), v1::REFUSAL_UNSPECIFIED);
  v1::Command none = finishing(lease, v1::PROOF_PASSED);
  none.mutable_finish_proof()->clear_results();
  EXPECT_EQ(refusal_of(none), v1::VALUE_INVALID);
  v1::Command other = finishing(lease, v1::PROOF_PASSED);
  other.mutable_finish_proof()->set_proof(1);
  EXPECT_EQ(refusal_of(other), v1::STALE);
  v1::Command beyond = finishing(lease, v1::PROOF_PASSED);
  beyond.mutable_finish_proof()->mutable_results(0)->set_device(1);
  EXPECT_EQ(refusal_of(beyond), v1::VALUE_INVALID);
  EXPECT_TRUE(machine_.lease(lease)->proof);
}

}  // namespace
}  // namespace fallow::core
