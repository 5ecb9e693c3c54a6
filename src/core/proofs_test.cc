#include "core/proofs.h"

#include "core/test_machine.h"

namespace fallow::core {
namespace {

class ProofsTest : public MachineTest {
 protected:
  void SetUp() override {
    found();
    provider_ = open(v1::PROVIDER);
    renter_ = open(v1::RENTER);
    deposit(renter_, 1'000'000'000);
    node_ = node(provider_, 300'000, 2);
  }

  v1::Refusal start(std::uint64_t node, std::uint64_t actor = 0) {
    v1::Command command;
    command.mutable_start_proof()->set_node(node);
    command.mutable_start_proof()->set_seed(test_hash(3));
    return refusal_of(command, actor);
  }
  v1::Command finishing(std::uint64_t node, std::vector<v1::ProofOutcome> outcomes) {
    v1::Command command;
    command.mutable_finish_proof()->set_node(node);
    command.mutable_finish_proof()->set_proof(machine_.node(NodeId(node))->proof.value);
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
      v1::ProofResult& result = *command.mutable_finish_proof()->add_results();
      result.set_device(static_cast<std::uint32_t>(i));
      result.set_outcome(outcomes[i]);
      result.set_detail("why");
      result.set_memory_mb(22'000);
      result.mutable_speeds()->set_int8_mops(5);
    }
    return command;
  }
  void prove(std::uint64_t node, std::vector<v1::ProofOutcome> outcomes) {
    ASSERT_EQ(start(node), v1::REFUSAL_UNSPECIFIED);
    ASSERT_EQ(refusal_of(finishing(node, std::move(outcomes))), v1::REFUSAL_UNSPECIFIED);
  }
  const v1::DeviceProof& proof(std::uint64_t node, std::size_t device = 0) {
    return machine_.node(NodeId(node))->devices[device].facts.proof();
  }
  v1::Refusal order_verified() {
    v1::Command command = submit(renter_);
    command.mutable_submit_order()->set_wait(false);
    command.mutable_submit_order()->mutable_requirements()->set_query("verified=true");
    return refusal_of(command, renter_);
  }
  void report(std::uint64_t node, const v1::NodeFacts& facts) {
    v1::Command command;
    command.mutable_report_node()->set_node(node);
    *command.mutable_report_node()->mutable_facts() = facts;
    ASSERT_EQ(refusal_of(command), v1::REFUSAL_UNSPECIFIED);
  }

  // Of any device of node_; it ends at once.
  void lease_and_end() {
    const std::uint64_t order = next_id();
    apply(submit(renter_), renter_);
    const std::vector<LeaseId> leases = machine_.node(NodeId(node_))->leases;
    ASSERT_EQ(leases.size(), 1U);
    v1::Command stop;
    stop.mutable_stop_order()->set_order(order);
    ASSERT_EQ(refusal_of(stop, renter_), v1::REFUSAL_UNSPECIFIED);
    v1::Command ended;
    ended.mutable_observe()->set_node(node_);
    v1::WorkloadReport& report = *ended.mutable_observe()->add_workloads();
    report.set_lease(leases[0].value);
    report.set_state(v1::ENDED);
    report.set_reason(v1::STOPPED);
    apply(ended);
    ASSERT_TRUE(machine_.node(NodeId(node_))->leases.empty());
  }
  void beside_leases() {
    v1::NodeFacts facts = test_facts(2);
    facts.set_proves_beside_leases(true);
    report(node_, facts);
  }
  void owner(v1::OwnerState state) {
    v1::Command command;
    command.mutable_observe()->set_node(node_);
    command.mutable_observe()->set_owner(state);
    ASSERT_EQ(refusal_of(command), v1::REFUSAL_UNSPECIFIED);
  }
  void link(bool connected) {
    v1::Command command;
    command.mutable_set_node_link()->set_node(node_);
    command.mutable_set_node_link()->set_connected(connected);
    ASSERT_EQ(refusal_of(command), v1::REFUSAL_UNSPECIFIED);
  }

  std::uint64_t provider_ = 0;
  std::uint64_t renter_ = 0;
  std::uint64_t node_ = 0;
};

TEST_F(ProofsTest, OnlyWhatWasPassedIsVerified) {
  EXPECT_EQ(order_verified(), v1::NO_MATCH);
  prove(node_, {v1::PROOF_SLOW, v1::PROOF_WRONG});
  EXPECT_EQ(proof(node_, 0).state(), v1::SLOW);
  EXPECT_EQ(proof(node_, 0).memory_mb(), 22'000U);
  EXPECT_EQ(proof(node_, 1).state(), v1::DISPROVEN);
  EXPECT_EQ(proof(node_, 1).memory_mb(), 0U);
  EXPECT_FALSE(proof(node_, 1).has_speeds());
  EXPECT_EQ(order_verified(), v1::NO_MATCH);
  prove(node_, {v1::PROOF_SLOW, v1::PROOF_PASSED});
  EXPECT_EQ(proof(node_, 1).speeds().int8_mops(), 5U);
  ASSERT_EQ(order_verified(), v1::REFUSAL_UNSPECIFIED);
  const Node& node = *machine_.node(NodeId(node_));
  EXPECT_EQ(node.devices[0].free_thousandths, 1'000U);
  EXPECT_EQ(node.devices[1].free_thousandths, 0U) << "the verified one was leased";
}

TEST_F(ProofsTest, WhoWaitsForAVerifiedDeviceGetsItAtOnce) {
  const std::uint64_t other = node(provider_, 200'000);
  prove(node_, {v1::PROOF_PASSED});
  v1::Command command = submit(renter_, 2);  // one place is verified
  command.mutable_submit_order()->mutable_requirements()->set_query("verified=true");
  ASSERT_EQ(refusal_of(command, renter_), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(machine_.node(NodeId(node_))->leases.size(), 1U);
  EXPECT_TRUE(machine_.node(NodeId(other))->leases.empty());
  prove(other, {v1::PROOF_PASSED});
  EXPECT_EQ(machine_.node(NodeId(other))->leases.size(), 1U);
}

TEST_F(ProofsTest, WhoDoesNotAnswerIsForgottenInTheEnd) {
  prove(node_, {v1::PROOF_PASSED});
  for (std::uint32_t miss = 1; miss < kProofMissesMax; ++miss) {
    prove(node_, {v1::PROOF_MISSED});
    EXPECT_EQ(proof(node_).state(), v1::PROVEN);
    EXPECT_EQ(proof(node_).misses(), miss);
  }
  prove(node_, {v1::PROOF_MISSED});
  EXPECT_EQ(proof(node_).state(), v1::UNANSWERED);
  EXPECT_EQ(order_verified(), v1::NO_MATCH);
  prove(node_, {v1::PROOF_PASSED});
  EXPECT_EQ(proof(node_).state(), v1::PROVEN);
  EXPECT_EQ(proof(node_).misses(), 0U);
}

TEST_F(ProofsTest, ALeaseInBetweenExcusesAMissAndNothingElse) {
  ASSERT_EQ(start(node_), v1::REFUSAL_UNSPECIFIED);
  apply(submit(renter_), renter_);
  ASSERT_FALSE(machine_.node(NodeId(node_))->leases.empty());
  EXPECT_EQ(refusal_of(finishing(node_, {v1::PROOF_MISSED, v1::PROOF_WRONG})),
            v1::REFUSAL_UNSPECIFIED);
  EXPECT_TRUE(events_[0].device_checked().excused());
  EXPECT_EQ(proof(node_, 0).misses(), 0U);
  EXPECT_EQ(proof(node_, 1).state(), v1::DISPROVEN);
  EXPECT_EQ(start(node_), v1::NOT_ALLOWED) << "work is left alone";
}

TEST_F(ProofsTest, OnlyTheMarketAsksAndTellsAndOnlyOnce) {
  EXPECT_EQ(start(node_, provider_), v1::NOT_ALLOWED);
  EXPECT_EQ(start(999), v1::NOT_FOUND);
  ASSERT_EQ(start(node_), v1::REFUSAL_UNSPECIFIED);
  const v1::Command told = finishing(node_, {v1::PROOF_PASSED});
  EXPECT_EQ(refusal_of(told, provider_), v1::NOT_ALLOWED);
  EXPECT_EQ(refusal_of(finishing(node_, {v1::PROOF_OUTCOME_UNSPECIFIED})), v1::VALUE_INVALID);
  EXPECT_EQ(refusal_of(finishing(node_, {v1::PROOF_PASSED, v1::PROOF_PASSED, v1::PROOF_PASSED})),
            v1::VALUE_INVALID);
  EXPECT_EQ(proof(node_).state(), v1::PROOF_STATE_UNSPECIFIED) << "refused as a whole";
  EXPECT_EQ(refusal_of(told), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(refusal_of(told), v1::STALE);
}

// Threat 7, as far as a node says what it swaps; within a lease nothing is asked.
TEST_F(ProofsTest, AProofIsOfTheDeviceThatWasThere) {
  prove(node_, {v1::PROOF_PASSED, v1::PROOF_PASSED});
  v1::NodeFacts facts = test_facts(2);
  facts.mutable_devices(1)->mutable_proof()->set_state(v1::PROVEN);
  report(node_, facts);
  EXPECT_EQ(proof(node_, 0).state(), v1::PROVEN) << "it says the same of itself";
  facts.mutable_devices(0)->set_memory_mb(48'000);
  facts.mutable_devices(1)->set_uuid("another");
  report(node_, facts);
  EXPECT_EQ(proof(node_, 0).state(), v1::PROOF_STATE_UNSPECIFIED);
  EXPECT_EQ(proof(node_, 1).state(), v1::PROOF_STATE_UNSPECIFIED) << "its own word";
}

// Threats 7 and 12: who has his device leased whenever it is asked, or for long, has nothing left
// to show for it.
TEST_F(ProofsTest, AProofThatIsTooOldIsWorthNothingAtTheNextLeasesEnd) {
  change_policy([](v1::Policy& policy) { policy.set_proof_interval_us(hours(1).value); });
  prove(node_, {v1::PROOF_PASSED, v1::PROOF_SLOW});
  lease_and_end();
  EXPECT_EQ(proof(node_, 0).state(), v1::PROVEN) << "it is not too old";
  now_ = now_ + hours(2) + kProofSlack;
  EXPECT_EQ(proof(node_, 0).state(), v1::PROVEN) << "nothing was leased: it is asked all the time";
  lease_and_end();
  EXPECT_EQ(proof(node_, 0).state(), v1::LAPSED);
  EXPECT_EQ(proof(node_, 0).speeds().int8_mops(), 5U) << "what it showed is known";
  EXPECT_EQ(proof(node_, 1).state(), v1::SLOW) << "that was worth nothing before";
  EXPECT_EQ(order_verified(), v1::NO_MATCH);
  restored();
  prove(node_, {v1::PROOF_PASSED});
  EXPECT_EQ(order_verified(), v1::REFUSAL_UNSPECIFIED);
}

TEST_F(ProofsTest, WhoIsDisturbedWheneverItIsAskedLosesItsProofAllTheSame) {
  change_policy([](v1::Policy& policy) { policy.set_proof_interval_us(hours(1).value); });
  prove(node_, {v1::PROOF_PASSED, v1::PROOF_PASSED});
  beside_leases();
  apply(submit(renter_), renter_);  // and stays
  now_ = now_ + hours(3);
  ASSERT_EQ(start(node_), v1::REFUSAL_UNSPECIFIED);
  apply(submit(renter_), renter_);
  ASSERT_EQ(machine_.node(NodeId(node_))->leases.size(), 2U);
  EXPECT_EQ(refusal_of(finishing(node_, {v1::PROOF_MISSED})), v1::REFUSAL_UNSPECIFIED);
  EXPECT_TRUE(events_[0].device_checked().excused());
  EXPECT_EQ(events_[0].device_checked().state().state(), v1::LAPSED);
  EXPECT_EQ(proof(node_, 0).state(), v1::LAPSED);
  EXPECT_EQ(proof(node_, 1).state(), v1::LAPSED);
}

TEST_F(ProofsTest, NeitherAnOwnerWhoStaysNorABrokenConnectionKeepsAProof) {
  change_policy([](v1::Policy& policy) { policy.set_proof_interval_us(hours(1).value); });
  prove(node_, {v1::PROOF_PASSED});
  owner(v1::OWNER_PRESENT);
  now_ = now_ + hours(3);
  owner(v1::OWNER_AWAY);
  EXPECT_EQ(proof(node_).state(), v1::LAPSED);
  prove(node_, {v1::PROOF_PASSED});
  link(false);
  now_ = now_ + hours(3);
  link(true);
  EXPECT_EQ(proof(node_).state(), v1::LAPSED);
}

TEST_F(ProofsTest, AMarketWithoutTheRuleOrWithoutAnIntervalKeepsItsProofs) {
  prove(node_, {v1::PROOF_PASSED});
  now_ = now_ + hours(1'000);
  lease_and_end();
  EXPECT_EQ(proof(node_).state(), v1::PROVEN) << "nobody is asked";
  change_policy([](v1::Policy& policy) {
    policy.set_proof_interval_us(hours(1).value);
    policy.set_firm_proofs(false);
  });
  lease_and_end();
  EXPECT_EQ(proof(node_).state(), v1::PROVEN);
  beside_leases();
  apply(submit(renter_), renter_);
  EXPECT_EQ(start(node_), v1::NOT_ALLOWED);
}

// A lapsed proof still holds the card's name: else another node takes it while the card is leased.
TEST_F(ProofsTest, ALapsedProofKeepsTheCardsName) {
  change_policy([](v1::Policy& policy) { policy.set_proof_interval_us(hours(1).value); });
  const std::uint64_t other = node(provider_, 600'000);
  v1::NodeFacts facts = test_facts(1);
  facts.mutable_devices(0)->set_uuid("GPU-1");
  report(node_, facts);
  report(other, facts);
  prove(node_, {v1::PROOF_PASSED});
  now_ = now_ + hours(3);
  lease_and_end();
  ASSERT_EQ(proof(node_).state(), v1::LAPSED);
  prove(other, {v1::PROOF_PASSED});
  EXPECT_EQ(proof(other).state(), v1::DISPROVEN);
}

TEST_F(ProofsTest, BesideLeasesIdleCardsAreAsked) {
  beside_leases();
  apply(submit(renter_), renter_);
  const Node& node = *machine_.node(NodeId(node_));
  ASSERT_EQ(node.leases.size(), 1U);
  const std::uint32_t leased = machine_.lease(node.leases[0])->devices[0];
  EXPECT_EQ(devices_to_prove(machine_.policy(), node), std::vector<std::uint32_t>{1 - leased});
  EXPECT_EQ(start(node_), v1::REFUSAL_UNSPECIFIED);
  v1::NodeFacts facts = test_facts(2);
  facts.set_proves_beside_leases(true);
  facts.mutable_devices(static_cast<int>(1 - leased))->set_kind(v1::CPU);
  report(node_, facts);
  EXPECT_TRUE(devices_to_prove(machine_.policy(), node).empty()) << "a processor";
  EXPECT_EQ(start(node_), v1::NOT_ALLOWED);
  report(node_, test_facts(2));
  EXPECT_EQ(start(node_), v1::NOT_ALLOWED) << "its agent cannot";
}

TEST_F(ProofsTest, AProofIsOverWhenItsDeviceIsAnother) {
  const v1::NodeFacts honest = test_facts(2);
  const std::vector<std::function<void(v1::NodeFacts&)>> changes = {
      [](auto& facts) { facts.mutable_devices(0)->set_memory_mb(80'000); },
      [](auto& facts) { facts.mutable_devices(1)->set_model("H100"); },
      [](auto& facts) { facts.mutable_devices(1)->set_uuid("another"); },
      [](auto& facts) { facts.mutable_devices(0)->set_kind(v1::CPU); },
      [](auto& facts) { facts.mutable_devices()->RemoveLast(); },
  };
  for (const auto& change : changes) {
    ASSERT_EQ(start(node_), v1::REFUSAL_UNSPECIFIED);
    const v1::Command told = finishing(node_, {v1::PROOF_PASSED});
    v1::NodeFacts facts = honest;
    change(facts);
    report(node_, facts);
    EXPECT_EQ(refusal_of(told), v1::STALE);
    report(node_, honest);
    EXPECT_EQ(refusal_of(told), v1::STALE) << "nor when it is back";
    EXPECT_EQ(proof(node_).state(), v1::PROOF_STATE_UNSPECIFIED);
  }
  ASSERT_EQ(start(node_), v1::REFUSAL_UNSPECIFIED);
  const v1::Command told = finishing(node_, {v1::PROOF_PASSED});
  report(node_, honest);
  EXPECT_EQ(refusal_of(told), v1::REFUSAL_UNSPECIFIED) << "it says the same";
}

TEST_F(ProofsTest, AProcessorIsNoVerifiedCard) {
  v1::NodeFacts facts = test_facts(1);
  facts.mutable_devices(0)->set_kind(v1::CPU);
  facts.mutable_devices(0)->set_model("RTX_4090");
  facts.mutable_devices(0)->set_memory_mb(24'576);
  report(node_, facts);
  prove(node_, {v1::PROOF_PASSED});
  const auto order = [&](const char* query) {
    v1::Command command = submit(renter_);
    command.mutable_submit_order()->set_wait(false);
    command.mutable_submit_order()->mutable_requirements()->set_query(query);
    return refusal_of(command, renter_);
  };
  EXPECT_EQ(order("gpu_name=RTX_4090 gpu_ram>=24 verified=true"), v1::NO_MATCH);
  EXPECT_EQ(order("gpu_ram>=24 verified=true"), v1::NO_MATCH);
  EXPECT_EQ(order("device_kind=cpu verified=true"), v1::REFUSAL_UNSPECIFIED);
}

TEST_F(ProofsTest, AProcessorBlocksNoCardsName) {
  const std::uint64_t other = node(provider_, 200'000);
  v1::NodeFacts facts = test_facts(1);
  facts.mutable_devices(0)->set_uuid("GPU-1");
  report(other, facts);
  facts.mutable_devices(0)->set_kind(v1::CPU);
  report(node_, facts);
  prove(node_, {v1::PROOF_PASSED});
  prove(other, {v1::PROOF_PASSED});
  EXPECT_EQ(proof(other).state(), v1::PROVEN);
}

TEST(ShownDevices, WhatIsGoneStandsForNothing) {
  MarketState state{Limits{}};
  Node one;
  one.id = NodeId(1);
  NodeDevice& device = one.devices.emplace_back();
  device.facts.set_kind(v1::GPU);
  device.facts.set_uuid("GPU-1");
  note_shown_devices(state, one);
  EXPECT_TRUE(state.shown_devices.empty()) << "it has shown nothing";
  device.facts.mutable_proof()->set_state(v1::PROVEN);
  note_shown_devices(state, one);
  EXPECT_EQ(state.shown_devices.at("GPU-1"), one.id);
  Node other = one;
  other.id = NodeId(2);
  forget_shown_devices(state, other);
  EXPECT_EQ(state.shown_devices.size(), 1U) << "that of another stays";
  forget_shown_devices(state, one);
  EXPECT_TRUE(state.shown_devices.empty());
}

TEST_F(ProofsTest, ADetailIsCutBetweenCharacters) {
  ASSERT_EQ(start(node_), v1::REFUSAL_UNSPECIFIED);
  v1::Command told = finishing(node_, {v1::PROOF_MISSED});
  std::string detail(511, 'a');
  detail += "\u00e4";
  told.mutable_finish_proof()->mutable_results(0)->set_detail(detail);
  ASSERT_EQ(refusal_of(told), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(proof(node_).detail(), std::string(511, 'a'));
}

// Threat 5.
TEST_F(ProofsTest, OneDeviceCannotStandForTwo) {
  const std::uint64_t other = node(provider_, 200'000);
  v1::NodeFacts facts = test_facts(1);
  facts.mutable_devices(0)->set_uuid("GPU-1");
  report(node_, facts);
  report(other, facts);
  prove(node_, {v1::PROOF_PASSED});
  prove(other, {v1::PROOF_PASSED});
  EXPECT_EQ(proof(node_).state(), v1::PROVEN);
  EXPECT_EQ(proof(other).state(), v1::DISPROVEN);
  // It moved: the node that had it says so itself.
  report(node_, test_facts(1));
  prove(other, {v1::PROOF_PASSED});
  EXPECT_EQ(proof(other).state(), v1::PROVEN);
}

}  // namespace
}  // namespace fallow::core
