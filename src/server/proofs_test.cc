#include "server/proofs.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <string>

#include "core/policy.h"
#include "core/proofs.h"
#include "proof/host_device.h"
#include "proof/prover.h"
#include "server/proof_plan.h"

namespace fallow::server {
namespace {

class StillClock final : public Clock {
 public:
  Time now() const override { return at; }
  Time monotonic() const override { return at; }
  Time at{1'000'000'000};
};

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
  bool submit(v1::Command command, std::function<void(bool)> durable) override {
    if (full_) return false;
    work_.emplace_back([this, command = std::move(command), durable = std::move(durable)] {
      apply(command);
      durable(true);
    });
    return true;
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

  StillClock clock_;
  std::unique_ptr<Random> random_;
  std::mutex mutex_;
  core::Machine machine_{core::Limits{}};
  std::unique_ptr<Proofs> proofs_;
  bool full_ = false;
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

TEST(ProofPlan, AsksForWhatIsClaimed) {
  v1::Device device;
  device.set_kind(v1::GPU);
  device.set_model("RTX_3090");
  device.set_memory_mb(24'576);
  const proof::ExamPlan plan = plan_for(device);
  EXPECT_EQ(plan.matrix_size, 16'384U);
  EXPECT_NEAR(static_cast<double>(plan.shape.bytes() >> 20U), 0.92 * 24'576, 1);
  EXPECT_EQ(plan.fp64_ppm_min, 0U);
  EXPECT_LT(plan.matrix_max, plan.answer_max);
  device.set_model("A100_80GB");
  EXPECT_GT(plan_for(device).fp64_ppm_min, 0U);
  EXPECT_LT(plan_for(device).matrix_max, plan.matrix_max);
  device.set_kind(v1::CPU);
  EXPECT_EQ(plan_for(device).matrix_max, Duration());
  // Whatever is claimed can be asked for.
  device.set_kind(v1::GPU);
  for (const std::uint32_t memory_mb : {0U, 1U, 4'095U, 1'000'000U, 0xffffffffU}) {
    device.set_memory_mb(memory_mb);
    const proof::ExamPlan asked = plan_for(device);
    EXPECT_GE(asked.shape.chunk_leaves, 1U);
    EXPECT_LE(asked.shape.leaves(), proof::kFillLeavesMax);
    const proof::Exam exam(asked, digest_of("seed"), 1, 0);
    EXPECT_FALSE(exam.is_over());
  }
}

}  // namespace
}  // namespace fallow::server
