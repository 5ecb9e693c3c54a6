#include "server/proofs.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/policy.h"
#include "core/proofs.h"
#include "proof/host_device.h"
#include "proof/prover.h"
#include "server/still_clock_test.h"
#include "server/views.h"

namespace fallow::server {
namespace {

std::string hash(std::uint64_t number) {
  std::string bytes(32, 'h');
  bytes[0] = static_cast<char>(number);
  return bytes;
}

// Proofs over a real market, with nodes of processors, which are asked for little. What they hand
// over is kept until run() works it off.
class ProofsTest : public testing::Test, public HubPort {
 protected:
  ProofsTest() : random_(seeded_random(11)) {
    v1::Command found;
    found.mutable_found()->set_market_public_key(hash(1));
    found.mutable_found()->set_operator_key_hash(hash(2));
    found.mutable_found()->set_market_name("test");
    found.mutable_found()->set_currency("TEST");
    *found.mutable_found()->mutable_policy() = core::default_policy();
    found.mutable_found()->mutable_policy()->set_proof_interval_us(hours(1).value);
    apply(found);
    proofs_ = std::make_unique<Proofs>(*this, clock_, *random_, mutex_);
    proofs_->set_interval(hours(1));
  }

  core::Events apply(const v1::Command& command) {
    core::Events events;
    machine_.apply(machine_.last_index() + LogIndex(1), clock_.at, command, events);
    for (const v1::Event& event : events) {
      const std::lock_guard lock(mutex_);
      if (event.has_proof_started()) proofs_->started(event.proof_started(), machine_);
      if (event.has_policy_set()) {
        proofs_->set_interval(Duration(machine_.policy().proof_interval_us()));
      }
      if (event.has_device_checked()) checked_.push_back(event.device_checked());
    }
    return events;
  }
  std::uint64_t account() {
    v1::Command command;
    command.mutable_open_account()->set_name("provider");
    command.mutable_open_account()->add_scopes(v1::PROVIDER);
    return apply(command).at(0).account_opened().account();
  }
  NodeId node(std::uint64_t provider, int devices = 1) {
    const std::uint64_t number = machine_.last_index().value;
    v1::Command token;
    token.mutable_create_join_token()->set_account(provider);
    token.mutable_create_join_token()->set_secret_hash(hash(number));
    token.mutable_create_join_token()->set_uses_max(1);
    apply(token);
    v1::Command join;
    join.mutable_join_node()->set_secret_hash(hash(number));
    join.mutable_join_node()->set_public_key(hash(100 + number));
    for (int i = 0; i < devices; ++i) {
      v1::Device& device = *join.mutable_join_node()->mutable_facts()->add_devices();
      device.set_index(static_cast<std::uint32_t>(i));
      device.set_model("EPYC");
      device.set_kind(v1::CPU);
      device.set_memory_mb(1'000);
    }
    const NodeId id(apply(join).at(0).node_joined().node());
    v1::Command link;
    link.mutable_set_node_link()->set_node(id.value);
    link.mutable_set_node_link()->set_connected(true);
    apply(link);
    return id;
  }
  // Offered, of cards.
  NodeId card_node(int devices, bool proves_beside_leases = true) {
    const NodeId id = node(account(), devices);
    v1::Command report;
    v1::NodeFacts& facts = *report.mutable_report_node()->mutable_facts();
    report.mutable_report_node()->set_node(id.value);
    facts = machine_.node(id)->facts;
    facts.set_region("eu");
    facts.set_cpu_thousandths(16'000);
    facts.set_memory_mb(64'000);
    facts.set_disk_mb(100'000);
    facts.set_isolation(v1::BUBBLEWRAP);
    facts.set_proves_beside_leases(proves_beside_leases);
    for (int i = 0; i < devices; ++i) {
      v1::Device& device = *facts.add_devices();
      device.set_index(static_cast<std::uint32_t>(i));
      device.set_uuid("GPU-" + std::to_string(i));
      device.set_model("RTX_4090");
      device.set_kind(v1::GPU);
      device.set_memory_mb(1'000);
    }
    apply(report);
    v1::Command offer;
    offer.mutable_set_offer()->set_node(id.value);
    offer.mutable_set_offer()->set_device_hour_micros(360'000);
    apply(offer);
    return id;
  }
  std::uint64_t renter_account() {
    v1::Command command;
    command.mutable_open_account()->set_name("renter");
    command.mutable_open_account()->add_scopes(v1::RENTER);
    const std::uint64_t renter = apply(command).at(0).account_opened().account();
    v1::Command deposit;
    deposit.mutable_deposit()->set_account(renter);
    deposit.mutable_deposit()->set_amount_micros(100'000'000);
    deposit.mutable_deposit()->set_reference("r");
    apply(deposit);
    return renter;
  }
  std::uint64_t rent(std::uint64_t renter) {
    v1::Command command;
    v1::SubmitOrder& submit = *command.mutable_submit_order();
    submit.set_account(renter);
    submit.set_tasks(1);
    submit.mutable_workload()->add_command("true");
    submit.mutable_requirements()->set_duration_us(hours(5).value);
    command.set_actor(renter);
    return apply(command).at(0).order_accepted().order();
  }
  void stop(std::uint64_t renter, std::uint64_t order, NodeId node) {
    const LeaseId lease = machine_.node(node)->leases.at(0);
    v1::Command command;
    command.mutable_stop_order()->set_order(order);
    command.set_actor(renter);
    apply(command);
    v1::Command ended;
    ended.mutable_observe()->set_node(node.value);
    v1::WorkloadReport& report = *ended.mutable_observe()->add_workloads();
    report.set_lease(lease.value);
    report.set_state(v1::ENDED);
    report.set_reason(v1::STOPPED);
    apply(ended);
  }
  std::set<std::uint32_t> devices_asked(NodeId node) {
    std::set<std::uint32_t> devices;
    for (const v1::ProofAsk& ask : take_asks(node)) devices.insert(ask.device());
    return devices;
  }
  static std::set<std::uint32_t> others(std::uint32_t device) {
    std::set<std::uint32_t> all{0, 1, 2};
    all.erase(device);
    return all;
  }
  void connect(NodeId node) {
    const std::lock_guard lock(mutex_);
    proofs_->opened(node, machine_.node(node)->provider, SessionId(node.value));
  }
  void run() {
    while (!work_.empty()) {
      const auto next = std::move(work_.front());
      work_.pop_front();
      next();
    }
  }
  void pass(Duration time) {
    clock_.at = clock_.at + time;
    {
      const std::lock_guard lock(mutex_);
      proofs_->tick();
    }
    run();
  }
  void answer(NodeId node, const v1::ProofAnswer& answer) {
    {
      const std::lock_guard lock(mutex_);
      proofs_->answered(node, answer);
    }
    run();
  }
  // Asks of the node that were not looked at yet; those that end a proof are left out.
  std::vector<v1::ProofAsk> take_asks(NodeId node) {
    std::vector<v1::ProofAsk> asks;
    for (const v1::ProofAsk& ask : asks_[SessionId(node.value)]) {
      if (ask.step() != v1::PROOF_OVER) asks.push_back(ask);
    }
    asks_.clear();
    return asks;
  }
  // An honest node, until it is asked no more.
  void prove(NodeId node) {
    std::map<std::uint32_t, std::unique_ptr<proof::HostDevice>> devices;
    std::map<std::uint32_t, std::unique_ptr<proof::Prover>> provers;
    for (auto asks = take_asks(node); !asks.empty(); asks = take_asks(node)) {
      for (const v1::ProofAsk& ask : asks) {
        if (!devices.contains(ask.device())) {
          devices[ask.device()] = std::make_unique<proof::HostDevice>();
          provers[ask.device()] = std::make_unique<proof::Prover>(*devices[ask.device()]);
        }
        clock_.at = clock_.at + milliseconds(20);
        answer(node, provers[ask.device()]->answer(ask));
      }
    }
  }
  const v1::DeviceProof& proof_of(NodeId node, std::size_t device = 0) {
    return machine_.node(node)->devices[device].facts.proof();
  }

  // HubPort.
  void send(SessionId session, const v1::HubMessage& message) override {
    if (message.has_proof_ask()) asks_[session].push_back(message.proof_ask());
  }
  void close(SessionId) override {}
  Status submit(const v1::Command& command, Stored stored) override {
    ++submissions_;
    if (full_) return fail(ErrorCode::kBusy, "full");
    if (invalid_) return fail(ErrorCode::kInvalid, "not UTF-8");
    work_.emplace_back([this, command, stored = std::move(stored)] {
      apply(command);
      stored(&machine_);
    });
    return {};
  }
  bool read(std::function<void(const core::Machine&)> visit) override {
    work_.emplace_back([this, visit = std::move(visit)] { visit(machine_); });
    return true;
  }
  bool work(std::function<void()> job) override {
    if (busy_) return false;
    work_.push_back(std::move(job));
    return true;
  }
  std::uint64_t store_log(const v1::LogChunk&) override { return 0; }
  void keep_telemetry(NodeId, v1::Telemetry) override {}
  std::vector<NodeId> nodes_watched() override { return {}; }

  StillClock clock_;
  std::unique_ptr<Random> random_;
  std::mutex mutex_;
  core::Machine machine_{core::Limits{}};
  std::unique_ptr<Proofs> proofs_;
  bool full_ = false;
  bool invalid_ = false;
  int submissions_ = 0;
  bool busy_ = false;
  std::deque<std::function<void()>> work_;
  std::map<SessionId, std::vector<v1::ProofAsk>> asks_;
  std::vector<v1::DeviceChecked> checked_;
};

TEST_F(ProofsTest, ANodeThatConnectsIsAskedAndItsAnswersEndInTheLog) {
  const NodeId one = node(account(), 2);
  connect(one);
  EXPECT_TRUE(take_asks(one).empty());
  pass(seconds(10));
  EXPECT_EQ(proofs_->running(), 1U);
  prove(one);
  EXPECT_EQ(proofs_->running(), 0U);
  ASSERT_EQ(checked_.size(), 2U);
  for (std::size_t device = 0; device < 2; ++device) {
    EXPECT_EQ(proof_of(one, device).state(), v1::PROVEN) << proof_of(one, device).detail();
    EXPECT_GT(proof_of(one, device).speeds().int8_mops(), 0U);
    EXPECT_EQ(proof_of(one, device).memory_mb(), 32U);
  }
  EXPECT_EQ(offer_view(*machine_.node(one)).gpus_verified(), 2U);
  pass(minutes(20));
  EXPECT_TRUE(take_asks(one).empty());
  pass(minutes(80));
  EXPECT_FALSE(take_asks(one).empty()) << "and again about once an interval";
}

TEST_F(ProofsTest, NodesOfAProviderAreAskedAtTheSameMoment) {
  const std::uint64_t provider = account();
  const NodeId one = node(provider);
  const NodeId two = node(provider);
  connect(one);
  connect(two);
  pass(seconds(10));
  EXPECT_EQ(proofs_->running(), 2U);
}

// A node of many devices weighs as much as many nodes.
TEST_F(ProofsTest, SoManyDevicesProveAtOnce) {
  const std::uint64_t provider = account();
  for (int i = 0; i < 9; ++i) connect(node(provider, 64));
  pass(seconds(10));
  const std::lock_guard lock(mutex_);
  EXPECT_EQ(proofs_->running(), 8U);
}

TEST_F(ProofsTest, WhoDoesNotAnswerIsAskedAgainSoonAndLosesWhatItHad) {
  const NodeId one = node(account());
  connect(one);
  pass(seconds(10));
  prove(one);
  ASSERT_EQ(proof_of(one).state(), v1::PROVEN);
  pass(minutes(100));
  for (std::uint32_t miss = 1; miss <= core::kProofMissesMax; ++miss) {
    EXPECT_FALSE(take_asks(one).empty());
    pass(seconds(61));
    EXPECT_EQ(checked_.back().outcome(), v1::PROOF_MISSED);
    EXPECT_EQ(proof_of(one).misses(), miss);
    pass(seconds(100));
  }
  EXPECT_EQ(proof_of(one).state(), v1::UNANSWERED);
  EXPECT_TRUE(take_asks(one).empty()) << "then no sooner than all others";
}

TEST_F(ProofsTest, AConnectionThatEndsIsAMiss) {
  const NodeId one = node(account());
  connect(one);
  pass(seconds(10));
  {
    const std::lock_guard lock(mutex_);
    proofs_->closed(one);
  }
  run();
  ASSERT_EQ(checked_.size(), 1U);
  EXPECT_EQ(checked_[0].outcome(), v1::PROOF_MISSED);
  EXPECT_EQ(proofs_->running(), 0U);
}

TEST_F(ProofsTest, NeitherBusyWorkersNorAFullQueueLoseAnything) {
  const NodeId one = node(account());
  connect(one);
  full_ = true;
  pass(seconds(10));
  EXPECT_EQ(proofs_->running(), 0U);
  full_ = false;
  pass(minutes(2));
  busy_ = true;
  const auto asks = take_asks(one);
  ASSERT_EQ(asks.size(), 1U);
  v1::ProofAnswer echo;
  echo.set_proof(asks[0].proof());
  echo.set_step(v1::PROOF_ECHO);
  answer(one, echo);
  EXPECT_TRUE(take_asks(one).empty());
  busy_ = false;
  pass(seconds(1));
  EXPECT_EQ(take_asks(one).size(), 1U) << "the next";
  full_ = true;
  {
    const std::lock_guard lock(mutex_);
    proofs_->closed(one);
  }
  run();
  EXPECT_TRUE(checked_.empty());
  full_ = false;
  pass(seconds(1));
  EXPECT_EQ(checked_.size(), 1U);
}

TEST_F(ProofsTest, AnswersThatNobodyAskedForAreNothing) {
  const NodeId one = node(account());
  connect(one);
  pass(seconds(10));
  v1::ProofAnswer stray;
  stray.set_proof(take_asks(one).at(0).proof());
  stray.set_device(7);
  answer(one, stray);
  stray.set_device(0);
  stray.set_step(v1::PROOF_SPEED);
  answer(one, stray);
  stray.set_proof(1);
  answer(one, stray);
  EXPECT_TRUE(checked_.empty());
  EXPECT_EQ(proofs_->running(), 1U);
}

TEST_F(ProofsTest, AnAnswerToAnotherStepMovesNoClock) {
  const NodeId one = node(account());
  connect(one);
  pass(seconds(10));
  ASSERT_EQ(take_asks(one).size(), 1U);
  v1::ProofAnswer stray;
  stray.set_proof(machine_.node(one)->proof.value);
  stray.set_step(v1::PROOF_SPEED);
  for (int i = 0; i < 5; ++i) {
    pass(seconds(10));
    answer(one, stray);
    EXPECT_TRUE(take_asks(one).empty()) << "no second ask";
  }
  pass(seconds(11));
  ASSERT_EQ(checked_.size(), 1U) << "a minute from the first ask, as if nothing had come";
  EXPECT_EQ(checked_[0].outcome(), v1::PROOF_MISSED);
}

TEST_F(ProofsTest, NeitherDoesOneThatComesWhileAnAnswerIsJudged) {
  const NodeId one = node(account());
  connect(one);
  pass(seconds(10));
  ASSERT_EQ(take_asks(one).size(), 1U);
  v1::ProofAnswer echo;
  echo.set_proof(machine_.node(one)->proof.value);
  echo.set_step(v1::PROOF_ECHO);
  {
    const std::lock_guard lock(mutex_);
    for (int i = 0; i < 3; ++i) proofs_->answered(one, echo);
  }
  run();
  EXPECT_EQ(take_asks(one).size(), 1U) << "one answer, one ask";
}

TEST_F(ProofsTest, ARunIsAskedOverItsOwnConnectionOnly) {
  const NodeId one = node(account());
  connect(one);
  pass(seconds(10));
  v1::ProofAnswer echo;
  echo.set_proof(take_asks(one).at(0).proof());
  echo.set_step(v1::PROOF_ECHO);
  {
    const std::lock_guard lock(mutex_);
    proofs_->answered(one, echo);  // a job has it
    proofs_->opened(one, machine_.node(one)->provider, SessionId(777));
  }
  run();
  EXPECT_TRUE(asks_[SessionId(777)].empty());
  ASSERT_EQ(checked_.size(), 1U);
  EXPECT_EQ(checked_[0].outcome(), v1::PROOF_MISSED);
}

TEST_F(ProofsTest, AnAnswerThatIsTooLargeIsWrongAndNotKept) {
  const NodeId one = node(account());
  connect(one);
  pass(seconds(10));
  v1::ProofAnswer large;
  large.set_proof(take_asks(one).at(0).proof());
  large.set_step(v1::PROOF_ECHO);
  large.add_leaves()->set_content("x");
  busy_ = true;
  answer(one, large);
  ASSERT_EQ(checked_.size(), 1U);
  EXPECT_EQ(checked_[0].outcome(), v1::PROOF_WRONG);
}

TEST_F(ProofsTest, ANodeHasABoundOfWhatWaits) {
  proofs_ =
      std::make_unique<Proofs>(*this, clock_, *random_, mutex_, ProofLimits{.node_bytes_max = 100});
  proofs_->set_interval(hours(1));
  const NodeId one = node(account(), 2);
  connect(one);
  pass(seconds(10));
  const auto asks = take_asks(one);
  ASSERT_EQ(asks.size(), 2U);
  busy_ = true;
  for (const v1::ProofAsk& ask : asks) {
    v1::ProofAnswer echo;
    echo.set_proof(ask.proof());
    echo.set_device(ask.device());
    echo.set_step(v1::PROOF_ECHO);
    echo.set_failure(std::string(60, 'x'));
    answer(one, echo);
  }
  busy_ = false;
  pass(seconds(1));
  ASSERT_EQ(checked_.size(), 2U);
  EXPECT_EQ(checked_[0].state().detail(), std::string(60, 'x'));
  EXPECT_NE(checked_[1].state().detail().find("at once"), std::string::npos);
}

TEST_F(ProofsTest, AMarketThatStopsBlamesNobody) {
  const NodeId one = node(account());
  connect(one);
  pass(seconds(10));
  EXPECT_EQ(proofs_->running(), 1U);
  {
    const std::lock_guard lock(mutex_);
    proofs_->shut_down();
    proofs_->closed(one);
  }
  run();
  for (int i = 0; i < 100; ++i) pass(minutes(5));
  EXPECT_TRUE(checked_.empty());
  EXPECT_EQ(proofs_->running(), 0U);
}

TEST_F(ProofsTest, WhatTheEngineNeverTakesIsDropped) {
  const NodeId one = node(account());
  connect(one);
  pass(seconds(10));
  take_asks(one);
  invalid_ = true;
  pass(seconds(61));
  EXPECT_EQ(proofs_->running(), 0U);
  invalid_ = false;
  pass(minutes(2));
  EXPECT_EQ(proofs_->running(), 1U) << "and the node is asked anew";
}

TEST_F(ProofsTest, AFullEngineIsTriedAgainAndNothingElseIsDoneTwice) {
  const NodeId one = node(account());
  connect(one);
  pass(seconds(10));
  full_ = true;
  asks_.clear();
  pass(seconds(61));
  const int before = submissions_;
  for (int i = 0; i < 10; ++i) pass(seconds(1));
  EXPECT_EQ(submissions_, before + 10);
  std::size_t overs = 0;
  for (const v1::ProofAsk& ask : asks_[SessionId(one.value)]) {
    overs += ask.step() == v1::PROOF_OVER ? 1 : 0;
  }
  EXPECT_EQ(overs, 1U);
  full_ = false;
  pass(seconds(1));
  EXPECT_EQ(proof_of(one).misses(), 1U);
  pass(seconds(100));
  EXPECT_EQ(take_asks(one).size(), 1U) << "one miss, so it is asked soon";
}

TEST_F(ProofsTest, AnAgentThatClearsUpAfterALeaseIsNotAsked) {
  const NodeId one = node(account());
  connect(one);
  {
    const std::lock_guard lock(mutex_);
    proofs_->lease_ended(one, std::vector<std::uint32_t>{0});
  }
  pass(seconds(10));
  EXPECT_EQ(proofs_->running(), 0U);
  pass(seconds(100));
  EXPECT_EQ(proofs_->running(), 1U);
}

// Threat 7: else one card that its provider rents himself keeps all others from being asked.
TEST_F(ProofsTest, CardsThatStandIdleAreAskedBesideLeases) {
  const NodeId one = card_node(3);
  const std::uint64_t renter = renter_account();
  const std::uint64_t order = rent(renter);
  const core::Node& known = *machine_.node(one);
  ASSERT_EQ(known.leases.size(), 1U);
  const std::uint32_t leased = machine_.lease(known.leases[0])->devices[0];
  connect(one);
  pass(seconds(10));
  EXPECT_EQ(devices_asked(one), others(leased));
  pass(seconds(200));  // nobody answers
  ASSERT_EQ(checked_.size(), 2U);
  EXPECT_EQ(proof_of(one, leased).misses(), 0U);
  for (const std::uint32_t device : others(leased)) EXPECT_EQ(proof_of(one, device).misses(), 1U);

  // What was left out is asked soon after its lease, and not an interval later.
  for (int i = 0; i < 20; ++i) pass(seconds(100));
  devices_asked(one);
  const auto devices = machine_.lease(known.leases[0])->devices;
  stop(renter, order, one);
  ASSERT_TRUE(machine_.node(one)->leases.empty());
  {
    const std::lock_guard lock(mutex_);
    proofs_->lease_ended(one, devices);
  }
  pass(seconds(50));
  EXPECT_EQ(devices_asked(one).count(leased), 0U) << "the agent clears up";
  for (int i = 0; i < 14; ++i) pass(seconds(10));
  EXPECT_EQ(devices_asked(one), (std::set<std::uint32_t>{0, 1, 2}));
}

TEST_F(ProofsTest, AnAgentThatProvesNothingBesideLeasesIsNotAskedTo) {
  const NodeId one = card_node(2, false);
  rent(renter_account());
  connect(one);
  for (int i = 0; i < 100; ++i) pass(minutes(1));
  EXPECT_TRUE(take_asks(one).empty());
  EXPECT_TRUE(checked_.empty());
}

TEST_F(ProofsTest, OnlyTheIntervalHasStrangersAsked) {
  for (int i = 0; i < 12; ++i) connect(node(account()));
  pass(seconds(10));
  // All miss, until they are asked no sooner than others.
  for (std::uint32_t i = 0; i < core::kProofMissesMax; ++i) {
    EXPECT_EQ(proofs_->running(), 12U);
    pass(seconds(61));
    pass(seconds(100));
  }
  EXPECT_EQ(proofs_->running(), 0U);
  connect(node(account()));
  pass(seconds(10));
  EXPECT_EQ(proofs_->running(), 1U) << "who connects is asked alone";
  pass(seconds(61));
  pass(seconds(100));
  EXPECT_EQ(proofs_->running(), 1U) << "likewise after a miss";
  pass(seconds(61));
  std::size_t running = 0;
  for (int i = 0; i < 90 && running < 3; ++i) {
    pass(minutes(1));
    running = proofs_->running();
  }
  EXPECT_GE(running, 3U);
}

TEST_F(ProofsTest, AMarketWithoutAnIntervalAsksNobody) {
  v1::Command policy;
  *policy.mutable_set_policy()->mutable_policy() = core::default_policy();
  apply(policy);
  const NodeId one = node(account());
  connect(one);
  for (int i = 0; i < 100; ++i) pass(minutes(5));
  EXPECT_TRUE(take_asks(one).empty());
  EXPECT_TRUE(checked_.empty());
  policy.mutable_set_policy()->mutable_policy()->set_proof_interval_us(hours(1).value);
  apply(policy);
  pass(seconds(10));
  EXPECT_FALSE(take_asks(one).empty()) << "until it has one";
}

// A market that asks every lease it can, and an offered node of a verified processor.
class LeaseProofsTest : public ProofsTest {
 protected:
  void SetUp() override {
    set_share(10'000);
    node_ = node(account());
    v1::Command report;
    report.mutable_report_node()->set_node(node_.value);
    v1::NodeFacts& facts = *report.mutable_report_node()->mutable_facts();
    facts = machine_.node(node_)->facts;
    facts.set_region("eu");
    facts.set_cpu_thousandths(16'000);
    facts.set_memory_mb(64'000);
    facts.set_disk_mb(100'000);
    facts.set_isolation(v1::BUBBLEWRAP);
    facts.set_proves_in_leases(true);
    *facts.add_devices() = machine_.node(node_)->devices[0].facts;
    apply(report);
    v1::Command offer;
    offer.mutable_set_offer()->set_node(node_.value);
    offer.mutable_set_offer()->set_device_hour_micros(360'000);
    apply(offer);
    connect(node_);
    pass(seconds(10));
    ProofsTest::prove(node_);
    ASSERT_EQ(proof_of(node_).state(), v1::PROVEN);
    renter_ = renter_account();
  }
  void set_share(std::uint32_t basis_points) {
    v1::Command policy;
    *policy.mutable_set_policy()->mutable_policy() = machine_.policy();
    policy.mutable_set_policy()->mutable_policy()->set_lease_proof_basis_points(basis_points);
    apply(policy);
  }
  LeaseId leased() {
    v1::Command command;
    v1::SubmitOrder& submit = *command.mutable_submit_order();
    submit.set_account(renter_);
    submit.set_tasks(1);
    submit.set_attempts_max(1);
    submit.mutable_workload()->add_command("true");
    submit.mutable_requirements()->set_duration_us(hours(1).value);
    submit.mutable_requirements()->set_query("device_kind=cpu");
    command.set_actor(renter_);
    apply(command);
    return machine_.node(node_)->leases.at(0);
  }
  std::optional<v1::Command> draw(LeaseId lease) {
    const std::lock_guard lock(mutex_);
    return proofs_->draw(lease, machine_);
  }
  LeaseId drawn() {
    const LeaseId lease = leased();
    const auto command = draw(lease);
    EXPECT_TRUE(command);
    if (command) apply(*command);
    return lease;
  }
  void ready(LeaseId lease) {
    const std::lock_guard lock(mutex_);
    proofs_->lease_ready(node_, lease);
  }
  void closed() {
    {
      const std::lock_guard lock(mutex_);
      proofs_->closed(node_);
    }
    run();
  }

  NodeId node_;
  std::uint64_t renter_ = 0;
};

TEST_F(LeaseProofsTest, OneThatIsDrawnIsAskedOnceItsNodeIsReady) {
  const LeaseId lease = drawn();
  EXPECT_TRUE(machine_.lease(lease)->proof);
  pass(minutes(10));
  EXPECT_TRUE(take_asks(node_).empty());
  ready(lease);
  ASSERT_EQ(asks_[SessionId(node_.value)].size(), 1U);
  const v1::ProofAsk first = asks_[SessionId(node_.value)][0];
  EXPECT_EQ(first.lease(), lease.value);
  EXPECT_EQ(first.proof(), machine_.lease(lease)->proof.value);
  ready(lease);
  EXPECT_EQ(asks_[SessionId(node_.value)].size(), 1U) << "a report is repeated, an ask is not";
  ProofsTest::prove(node_);
  EXPECT_FALSE(machine_.lease(lease)->proof);
  EXPECT_EQ(machine_.lease(lease)->state, v1::PLACED);
  EXPECT_EQ(checked_.back().lease(), lease.value);
  EXPECT_EQ(checked_.back().outcome(), v1::PROOF_PASSED);
  EXPECT_EQ(proofs_->running(), 0U);
}

TEST_F(LeaseProofsTest, WhoFailsIsAskedForAllOfItSoon) {
  const LeaseId lease = drawn();
  ready(lease);
  v1::ProofAnswer answer;
  for (const v1::ProofAsk& ask : take_asks(node_)) {
    answer.set_proof(ask.proof());
    answer.set_step(ask.step());
  }
  answer.set_failure("no OpenCL device stands for it");
  ProofsTest::answer(node_, answer);
  EXPECT_EQ(machine_.lease(lease)->reason, v1::DEVICE_FAULT);
  EXPECT_EQ(proof_of(node_).state(), v1::UNANSWERED);
  bool asked = false;
  for (int i = 0; i < 8 && !asked; ++i) {
    pass(minutes(1));
    asked = !take_asks(node_).empty();
  }
  EXPECT_TRUE(asked) << "and not only after its interval";
}

TEST_F(LeaseProofsTest, AConnectionThatEndsBeforeTheAskIsNoMiss) {
  const LeaseId lease = drawn();
  closed();
  EXPECT_TRUE(machine_.lease(lease)->proof);
  connect(node_);
  ready(lease);
  EXPECT_EQ(take_asks(node_).size(), 1U);
  closed();
  EXPECT_EQ(machine_.lease(lease)->reason, v1::DEVICE_FAULT);
}

TEST_F(LeaseProofsTest, AnEndedLeaseIsAskedNoMore) {
  const LeaseId lease = drawn();
  {
    const std::lock_guard lock(mutex_);
    proofs_->lease_over(node_, lease);
  }
  ready(lease);
  EXPECT_TRUE(take_asks(node_).empty());
  EXPECT_EQ(proofs_->running(), 0U);
}

TEST_F(LeaseProofsTest, TheShareIsThePolicys) {
  const LeaseId lease = leased();
  set_share(0);
  EXPECT_FALSE(draw(lease));
  set_share(5'000);
  int count = 0;
  for (int i = 0; i < 400; ++i) {
    if (!draw(lease)) continue;
    ++count;
    proofs_->not_started(lease);
  }
  EXPECT_GT(count, 100);
  EXPECT_LT(count, 300);
}

}  // namespace
}  // namespace fallow::server
