#include "server/hub.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/meter_bytes.h"
#include "base/sealing.h"
#include "base/signing.h"
#include "core/policy.h"
#include "server/still_clock_test.h"

namespace fallow::server {
namespace {

// The hub over a real market: what it hands over is kept until run() works it off, as the engine
// would on a thread of its own.
class HubTest : public testing::Test, public HubPort {
 protected:
  HubTest() : random_(seeded_random(7)), key_(SigningKey::generate(*random_)) {
    hub_ = std::make_unique<Hub>(*this, clock_, *random_, limits_);
    v1::Command found;
    found.mutable_found()->set_market_public_key(std::string(32, 'm'));
    found.mutable_found()->set_operator_key_hash(std::string(32, 'o'));
    found.mutable_found()->set_market_name("test");
    found.mutable_found()->set_currency("TEST");
    *found.mutable_found()->mutable_policy() = core::default_policy();
    apply(found);
    v1::Command account;
    account.mutable_open_account()->set_name("provider");
    account.mutable_open_account()->add_scopes(v1::PROVIDER);
    provider_ = apply(account).at(0).account_opened().account();
    v1::Command token;
    token.mutable_create_join_token()->set_account(provider_);
    token.mutable_create_join_token()->set_secret_hash(std::string(32, 't'));
    token.mutable_create_join_token()->set_expires_at_us(clock_.at.us * 2);
    token.mutable_create_join_token()->set_uses_max(1);
    apply(token);
    v1::Command join;
    join.mutable_join_node()->set_secret_hash(std::string(32, 't'));
    join.mutable_join_node()->set_public_key(
        std::string(key_.public_key().begin(), key_.public_key().end()));
    *join.mutable_join_node()->mutable_facts() = facts();
    node_ = apply(join).at(0).node_joined().node();
  }

  static v1::NodeFacts facts() {
    v1::NodeFacts facts;
    facts.set_name("n");
    facts.set_region("eu");
    facts.set_cpu_thousandths(8'000);
    facts.set_memory_mb(32'000);
    facts.set_disk_mb(100'000);
    facts.set_isolation(v1::BUBBLEWRAP);
    v1::Device& device = *facts.add_devices();
    device.set_uuid("u");
    device.set_model("RTX_4090");
    device.set_kind(v1::GPU);
    device.set_memory_mb(24'000);
    return facts;
  }

  core::Events apply(const v1::Command& command) {
    core::Events events;
    machine_.apply(machine_.last_index() + LogIndex(1), clock_.at, command, events);
    const engine::Applied applied{machine_.last_index(), clock_.at, &command, events};
    hub_->applied(machine_, {&applied, 1});
    return events;
  }
  // As one entry of the log: the hub hears of all of them when the last is applied.
  void apply_together(const std::vector<v1::Command>& commands) {
    std::deque<core::Events> events;
    std::vector<engine::Applied> batch;
    for (const v1::Command& command : commands) {
      core::Events& own = events.emplace_back();
      machine_.apply(machine_.last_index() + LogIndex(1), clock_.at, command, own);
      batch.push_back(engine::Applied{machine_.last_index(), clock_.at, &command, own});
    }
    hub_->applied(machine_, batch);
  }

  // Works off what the hub handed over.
  void run() {
    while (!work_.empty()) {
      const auto next = std::move(work_.front());
      work_.pop_front();
      next();
    }
  }

  // HubPort.
  void send(SessionId session, const v1::HubMessage& message) override {
    sent_[session].push_back(message);
  }
  void close(SessionId session) override { closing_.push_back(session); }
  Status submit(const v1::Command& command, Stored stored) override {
    if (full_) return fail(ErrorCode::kBusy, "full");
    work_.emplace_back([this, command, stored = std::move(stored)] {
      commands_.push_back(command);
      if (stored_) apply(command);
      stored(stored_ ? &machine_ : nullptr);
    });
    return {};
  }
  bool read(std::function<void(const core::Machine&)> visit) override {
    if (full_) return false;
    work_.emplace_back([this, visit = std::move(visit)] { visit(machine_); });
    return true;
  }
  bool work(std::function<void()> job) override {
    if (full_) return false;
    work_.push_back(std::move(job));
    return true;
  }
  std::uint64_t store_log(const v1::LogChunk& chunk) override {
    if (chunk.offset() == log_.size()) log_ += chunk.data();
    return log_.size();
  }
  void keep_telemetry(NodeId node, v1::Telemetry telemetry) override {
    EXPECT_EQ(node, NodeId(node_));
    telemetry_.push_back(std::move(telemetry));
  }
  std::vector<NodeId> nodes_watched() override { return watched_; }

  // The agent's side.
  void say(SessionId session, const v1::AgentMessage& message) {
    hub_->received(session, message.SerializeAsString());
    run();
  }
  v1::AgentMessage hello(SessionId session, const SigningKey& key) {
    v1::AgentMessage message;
    message.mutable_hello()->set_node(node_);
    message.mutable_hello()->set_signature(
        to_bytes(key.sign("fallow agent hello v1" + sent_[session].at(0).challenge().nonce())));
    *message.mutable_hello()->mutable_facts() = facts();
    message.mutable_hello()->set_takes_secrets(takes_secrets_);
    return message;
  }
  void connect(SessionId session) {
    hub_->opened(session);
    say(session, hello(session, key_));
  }
  const v1::HubMessage& last(SessionId session) { return sent_[session].back(); }
  // A lease of somebody's on the node; its workload needs the secret, if one is named.
  std::uint64_t placed_here(const std::string& secret = "") {
    v1::Command offer;
    offer.set_actor(provider_);
    offer.mutable_set_offer()->set_node(node_);
    offer.mutable_set_offer()->set_device_hour_micros(100'000);
    apply(offer);
    v1::Command account;
    account.mutable_open_account()->set_name("renter");
    account.mutable_open_account()->add_scopes(v1::RENTER);
    const std::uint64_t renter = apply(account).at(0).account_opened().account();
    v1::Command deposit;
    deposit.mutable_deposit()->set_account(renter);
    deposit.mutable_deposit()->set_amount_micros(10'000'000);
    deposit.mutable_deposit()->set_reference("first");
    apply(deposit);
    for (const v1::Event& event : apply(order_of(renter, secret))) {
      if (event.has_lease_placed()) return event.lease_placed().lease();
    }
    return 0;
  }
  static v1::Command order_of(std::uint64_t renter, const std::string& secret = "") {
    v1::Command order;
    order.set_actor(renter);
    v1::SubmitOrder& submit = *order.mutable_submit_order();
    submit.set_account(renter);
    submit.set_tasks(1);
    submit.mutable_workload()->add_command("true");
    if (!secret.empty()) submit.mutable_workload()->add_secrets(secret);
    submit.mutable_requirements()->set_duration_us(kHour.value);
    return order;
  }

  HubLimits limits_;
  StillClock clock_;
  std::unique_ptr<Random> random_;
  SigningKey key_;
  core::Machine machine_;
  std::unique_ptr<Hub> hub_;
  std::uint64_t provider_ = 0;
  std::uint64_t node_ = 0;
  bool full_ = false;
  bool stored_ = true;
  bool takes_secrets_ = true;
  std::deque<std::function<void()>> work_;
  std::map<SessionId, std::vector<v1::HubMessage>> sent_;
  std::vector<SessionId> closing_;
  std::vector<v1::Command> commands_;
  std::string log_;  // one stream
  std::vector<v1::Telemetry> telemetry_;
  std::vector<NodeId> watched_;
  const SessionId one_{1};
  const SessionId two_{2};
};

TEST_F(HubTest, AProvenNodeIsWelcomedAndGetsItsWholeDesiredSet) {
  connect(one_);
  ASSERT_EQ(sent_[one_].size(), 3U);
  EXPECT_EQ(sent_[one_][0].challenge().nonce().size(), 32U);
  EXPECT_TRUE(sent_[one_][1].has_welcome());
  EXPECT_TRUE(sent_[one_][2].has_desired());
  EXPECT_TRUE(machine_.node(NodeId(node_))->connected);
  EXPECT_EQ(hub_->node_of_token(sent_[one_][1].welcome().session_token()), NodeId(node_));
  hub_->closed(one_);
  run();
  EXPECT_FALSE(machine_.node(NodeId(node_))->connected);
  EXPECT_EQ(hub_->node_of_token(sent_[one_][1].welcome().session_token()), NodeId());
}

TEST_F(HubTest, WhoStartsALeaseIsHeardOfThreeTimesBeforeItIsSilent) {
  const auto heartbeat_under = [this](Duration suspend_after, SessionId session) {
    v1::Command policy;
    *policy.mutable_set_policy()->mutable_policy() = machine_.policy();
    policy.mutable_set_policy()->mutable_policy()->set_suspend_after_us(suspend_after.value);
    apply(policy);
    connect(session);
    return Duration(sent_[session][1].welcome().heartbeat_us());
  };
  EXPECT_EQ(heartbeat_under(seconds(30), one_), seconds(5));
  EXPECT_EQ(heartbeat_under(seconds(3), two_), seconds(1));
}

// A market that asks every lease for a proof, and a connected node whose device is verified.
class HubLeaseProofTest : public HubTest {
 protected:
  void SetUp() override {
    v1::Command policy;
    *policy.mutable_set_policy()->mutable_policy() = machine_.policy();
    policy.mutable_set_policy()->mutable_policy()->set_proof_interval_us(kHour.value);
    policy.mutable_set_policy()->mutable_policy()->set_lease_proof_basis_points(10'000);
    apply(policy);
    connect(one_);
    v1::Command report;
    report.mutable_report_node()->set_node(node_);
    *report.mutable_report_node()->mutable_facts() = facts();
    report.mutable_report_node()->mutable_facts()->set_proves_in_leases(true);
    apply(report);
    v1::Command start;
    start.mutable_start_proof()->set_node(node_);
    start.mutable_start_proof()->set_seed(std::string(32, 's'));
    apply(start);
    v1::Command finish = passed(machine_.node(NodeId(node_))->proof);
    apply(finish);
    ASSERT_EQ(machine_.node(NodeId(node_))->devices[0].facts.proof().state(), v1::PROVEN);
  }
  v1::Command passed(ProofId proof) const {
    v1::Command finish;
    finish.mutable_finish_proof()->set_node(node_);
    finish.mutable_finish_proof()->set_proof(proof.value);
    finish.mutable_finish_proof()->add_results()->set_outcome(v1::PROOF_PASSED);
    return finish;
  }
  std::size_t desired_sent() {
    return static_cast<std::size_t>(
        std::count_if(sent_[one_].begin(), sent_[one_].end(),
                      [](const v1::HubMessage& message) { return message.has_desired(); }));
  }
};

TEST_F(HubLeaseProofTest, ANodeHearsOfALeaseOnlyWithTheProofThatItWaitsFor) {
  const std::size_t before = desired_sent();
  const std::uint64_t lease = placed_here();
  EXPECT_EQ(desired_sent(), before) << "it could begin the lease at once";
  const auto store_proof = std::exchange(work_.front(), {});
  work_.pop_front();
  store_proof();
  EXPECT_EQ(desired_sent(), before) << "the engine may be within a batch that has placed more";
  run();
  ASSERT_EQ(desired_sent(), before + 1);
  ASSERT_TRUE(last(one_).has_desired());
  EXPECT_EQ(last(one_).desired().leases(0).lease(), lease);
  const ProofId proof = machine_.lease(LeaseId(lease))->proof;
  EXPECT_TRUE(proof);
  EXPECT_EQ(last(one_).desired().leases(0).proof(), proof.value);

  v1::AgentMessage report;
  v1::WorkloadReport& workload = *report.mutable_observed()->add_workloads();
  workload.set_lease(lease);
  workload.set_state(v1::STARTING);
  const auto asks = [this] {
    return std::count_if(sent_[one_].begin(), sent_[one_].end(),
                         [](const v1::HubMessage& message) { return message.has_proof_ask(); });
  };
  say(one_, report);
  EXPECT_EQ(asks(), 0) << "its devices are not free yet";
  workload.set_proves(true);
  say(one_, report);
  EXPECT_EQ(asks(), 1);

  v1::Command finish = passed(proof);
  finish.mutable_finish_proof()->set_lease(lease);
  apply(finish);
  run();
  ASSERT_TRUE(last(one_).has_desired());
  EXPECT_EQ(last(one_).desired().leases(0).proof(), 0U) << "it may begin";
}

TEST_F(HubLeaseProofTest, ALeaseThatFollowsAnotherInOneBatchIsDrawnBeforeItIsTold) {
  const LeaseId former(placed_here());
  run();
  v1::Command finish = passed(machine_.lease(former)->proof);
  finish.mutable_finish_proof()->set_lease(former.value);
  apply(finish);
  run();
  const std::size_t before = desired_sent();
  v1::Command ended;
  ended.mutable_observe()->set_node(node_);
  v1::WorkloadReport& workload = *ended.mutable_observe()->add_workloads();
  workload.set_lease(former.value);
  workload.set_state(v1::ENDED);
  workload.set_reason(v1::COMPLETED);
  apply_together({ended, order_of(machine_.lease(former)->renter.value)});
  EXPECT_EQ(desired_sent(), before) << "it could begin the second lease at once";
  run();
  ASSERT_EQ(desired_sent(), before + 1);
  ASSERT_EQ(last(one_).desired().leases_size(), 1);
  EXPECT_NE(last(one_).desired().leases(0).lease(), former.value);
  EXPECT_NE(last(one_).desired().leases(0).proof(), 0U);
}

TEST_F(HubLeaseProofTest, WhereTheLogTakesNoProofTheLeaseBeginsAsAnyOther) {
  const std::size_t before = desired_sent();
  stored_ = false;
  const std::uint64_t lease = placed_here();
  run();
  ASSERT_EQ(desired_sent(), before + 1);
  EXPECT_EQ(last(one_).desired().leases(0).lease(), lease);
  EXPECT_EQ(last(one_).desired().leases(0).proof(), 0U);
}

TEST_F(HubLeaseProofTest, AFullEngineHoldsNoLeaseUp) {
  const std::size_t before = desired_sent();
  full_ = true;
  placed_here();
  EXPECT_EQ(desired_sent(), before + 1);
  EXPECT_EQ(last(one_).desired().leases(0).proof(), 0U);
}

TEST_F(HubTest, ANodeHearsOfMoreTimeAtOnce) {
  connect(one_);
  const std::uint64_t lease = placed_here();
  run();
  const std::size_t sent = sent_[one_].size();
  v1::Command more;
  more.mutable_extend_order()->set_order(machine_.lease(LeaseId(lease))->order.value);
  more.mutable_extend_order()->set_more_us(kHour.value);
  apply(more);
  run();
  ASSERT_GT(sent_[one_].size(), sent);
  EXPECT_EQ(last(one_).desired().leases(0).time_us_max(), 2 * kHour.value);
}

TEST_F(HubTest, AnotherKeyAnOldNonceOrNoProofIsTurnedAway) {
  hub_->opened(one_);
  say(one_, hello(one_, SigningKey::generate(*random_)));
  EXPECT_EQ(last(one_).goodbye().code(), "denied");
  hub_->opened(two_);
  v1::AgentMessage replayed = hello(one_, key_);
  say(two_, replayed);
  EXPECT_EQ(last(two_).goodbye().code(), "denied");
  const SessionId three(3);
  hub_->opened(three);
  v1::AgentMessage early;
  early.mutable_observed();
  say(three, early);
  EXPECT_EQ(last(three).goodbye().code(), "protocol");
  EXPECT_FALSE(machine_.node(NodeId(node_))->connected);
  EXPECT_EQ(closing_.size(), 3U);
}

TEST_F(HubTest, BytesThatAreNoMessageEndTheConnection) {
  hub_->opened(one_);
  hub_->received(one_, "\xff\xff\xff\xff");
  EXPECT_EQ(last(one_).goodbye().code(), "protocol");
  hub_->received(one_, "more");  // of a connection that is being left
  EXPECT_EQ(closing_.size(), 1U);
  hub_->received(SessionId(99), "unknown");
}

TEST_F(HubTest, ANewConnectionReplacesTheOldOneAndTheNodeStaysConnected) {
  connect(one_);
  connect(two_);
  EXPECT_EQ(last(one_).goodbye().code(), "replaced");
  hub_->closed(one_);
  run();
  EXPECT_TRUE(machine_.node(NodeId(node_))->connected);
}

TEST_F(HubTest, AMeterThatTheNodeDidNotSignNeverEntersTheLog) {
  connect(one_);
  v1::AgentMessage message;
  v1::WorkloadReport& report = *message.mutable_observed()->add_workloads();
  report.set_lease(5);
  v1::MeterRecord& record = *report.add_meters();
  record.set_lease(5);
  record.set_sequence(1);
  record.set_running_us(1'000);
  record.set_signature(std::string(64, 's'));
  const std::size_t before = commands_.size();
  say(one_, message);
  EXPECT_EQ(last(one_).goodbye().code(), "protocol");
  EXPECT_EQ(commands_.size(), before);
}

TEST_F(HubTest, AReportWaitsUntilTheLogHasIt) {
  connect(one_);
  v1::AgentMessage message;
  message.mutable_observed()->set_sequence(1);
  message.mutable_observed()->set_owner(v1::OWNER_PRESENT);
  hub_->received(one_, message.SerializeAsString());
  EXPECT_EQ(hub_->waiting().reports, 1U);
  run();
  EXPECT_EQ(hub_->waiting().reports, 0U);
}

TEST_F(HubTest, IdleHeartbeatsAreAnsweredWithoutTheLog) {
  connect(one_);
  v1::AgentMessage message;
  message.mutable_observed()->set_sequence(1);
  message.mutable_observed()->set_owner(v1::OWNER_AWAY);
  say(one_, message);  // news: the owner
  const std::size_t before = commands_.size();
  for (std::uint64_t sequence = 2; sequence < 10; ++sequence) {
    message.mutable_observed()->set_sequence(sequence);
    say(one_, message);
    EXPECT_EQ(last(one_).observed_ack().sequence(), sequence);
  }
  EXPECT_EQ(commands_.size(), before);
}

// Its fence is not to move: the market waits for it.
TEST_F(HubTest, WhoReportsALeaseThatIsOverIsToldSo) {
  connect(one_);
  v1::AgentMessage message;
  message.mutable_observed()->set_sequence(7);
  v1::WorkloadReport& runs = *message.mutable_observed()->add_workloads();
  runs.set_lease(12'345);
  runs.set_state(v1::RUNNING);
  v1::WorkloadReport& ended = *message.mutable_observed()->add_workloads();
  ended.set_lease(12'346);
  ended.set_state(v1::ENDED);
  say(one_, message);
  ASSERT_EQ(last(one_).observed_ack().sequence(), 7U);
  ASSERT_EQ(last(one_).observed_ack().ended_size(), 1);
  EXPECT_EQ(last(one_).observed_ack().ended(0), 12'345U);

  const std::uint64_t lease = placed_here();
  runs.set_lease(lease);
  message.mutable_observed()->set_sequence(8);
  say(one_, message);
  const auto acknowledged = [&](std::uint64_t sequence) {
    for (const v1::HubMessage& sent : sent_[one_]) {
      if (sent.observed_ack().sequence() == sequence) return sent.observed_ack();
    }
    return v1::ObservedAck();
  };
  ASSERT_EQ(acknowledged(8).sequence(), 8U);
  EXPECT_EQ(acknowledged(8).ended_size(), 0);
  // The node is removed by the time that the report is stored.
  v1::Command command;
  command.set_actor(provider_);
  command.mutable_remove_node()->set_node(node_);
  message.mutable_observed()->set_sequence(9);
  hub_->received(one_, message.SerializeAsString());
  core::Events events;
  machine_.apply(machine_.last_index() + LogIndex(1), clock_.at, command, events);
  run();
  ASSERT_EQ(acknowledged(9).sequence(), 9U);
  EXPECT_EQ(acknowledged(9).ended_size(), 1);
}

// What the market cannot believe yet its node keeps; what will never count need not come again.
TEST_F(HubTest, WhichRecordsDoNotCountYetIsSaid) {
  connect(one_);
  const std::uint64_t lease = placed_here();
  v1::AgentMessage message;
  v1::Observed& observed = *message.mutable_observed();
  v1::WorkloadReport& runs = *observed.add_workloads();
  runs.set_lease(lease);
  runs.set_state(v1::RUNNING);
  const auto record = [&](std::uint32_t sequence, Duration running) {
    v1::MeterRecord& meter = *runs.add_meters();
    meter.set_lease(lease);
    meter.set_sequence(sequence);
    meter.set_running_us(running.value);
    meter.set_signature(to_bytes(key_.sign(
        meter_bytes(key_.public_key(), LeaseId(lease), sequence, running, Time{}, {}, 0))));
  };
  // Of the last report with that sequence.
  const auto not_taken = [&](std::uint64_t sequence) {
    observed.set_sequence(sequence);
    say(one_, message);
    std::vector<std::uint32_t> taken;
    for (const v1::HubMessage& sent : sent_[one_]) {
      if (sent.observed_ack().sequence() != sequence) continue;
      for (const v1::MetersNotTaken& kept : sent.observed_ack().not_taken()) {
        EXPECT_EQ(kept.lease(), lease);
        taken.push_back(kept.taken());
      }
    }
    return taken;
  };
  using testing::ElementsAre;
  using testing::IsEmpty;
  record(1, seconds(2));
  EXPECT_THAT(not_taken(1), IsEmpty());
  record(2, seconds(20));  // no time has passed
  EXPECT_THAT(not_taken(2), ElementsAre(1U));
  clock_.at = clock_.at + seconds(20);
  EXPECT_THAT(not_taken(3), IsEmpty());
  EXPECT_EQ(machine_.lease(LeaseId(lease))->proven, seconds(20));
  // Nor when it stops, and when it has ended nobody waits for it any more.
  record(3, minutes(5));
  EXPECT_THAT(not_taken(4), ElementsAre(2U));
  v1::Command stop;
  stop.set_actor(machine_.lease(LeaseId(lease))->renter.value);
  stop.mutable_stop_lease()->set_lease(lease);
  apply(stop);
  EXPECT_THAT(not_taken(5), ElementsAre(2U));
  runs.set_state(v1::ENDED);
  runs.set_reason(v1::STOPPED);
  EXPECT_THAT(not_taken(6), IsEmpty());
  EXPECT_EQ(machine_.lease(LeaseId(lease))->proven, seconds(20));
}

TEST_F(HubTest, OutputOfAnothersLeaseIsRefused) {
  connect(one_);
  v1::AgentMessage message;
  message.mutable_log_chunk()->set_lease(12'345);
  message.mutable_log_chunk()->set_data("mine?");
  say(one_, message);
  EXPECT_EQ(last(one_).goodbye().code(), "denied");
}

// The first pieces of a lease wait until the market has said whose it is. None may pass another.
TEST_F(HubTest, PiecesOfOutputStayInOrder) {
  connect(one_);
  const std::uint64_t lease = placed_here();
  const auto piece = [&](std::uint64_t offset, const char* data) {
    v1::AgentMessage message;
    message.mutable_log_chunk()->set_lease(lease);
    message.mutable_log_chunk()->set_stream(v1::STDOUT);
    message.mutable_log_chunk()->set_offset(offset);
    message.mutable_log_chunk()->set_data(data);
    hub_->received(one_, message.SerializeAsString());
  };
  piece(0, "one ");
  piece(4, "two ");
  // The market looks at the first, then the third comes.
  work_.front()();
  work_.pop_front();
  piece(8, "three ");
  run();
  EXPECT_EQ(log_, "one two three ");
  EXPECT_FALSE(last(one_).log_ack().again());
  piece(14, "four");
  EXPECT_EQ(log_, "one two three four") << "without asking the market again";
}

TEST_F(HubTest, APieceThatIsNotTakenIsAskedForAgain) {
  connect(one_);
  const std::uint64_t lease = placed_here();
  v1::AgentMessage message;
  message.mutable_log_chunk()->set_lease(lease);
  message.mutable_log_chunk()->set_data("one");
  full_ = true;
  say(one_, message);
  EXPECT_TRUE(last(one_).log_ack().again());
  EXPECT_EQ(last(one_).log_ack().offset(), 0U);
  full_ = false;
  say(one_, message);
  EXPECT_EQ(log_, "one");
  EXPECT_FALSE(last(one_).log_ack().again());
  message.mutable_log_chunk()->set_offset(9);  // after a gap
  say(one_, message);
  EXPECT_TRUE(last(one_).log_ack().again());
  EXPECT_EQ(last(one_).log_ack().offset(), 3U);
}

TEST_F(HubTest, SilenceEndsAConnectionAndAFullQueueLosesNoDisconnect) {
  connect(one_);
  full_ = true;
  clock_.at = clock_.at + limits_.silence_max + seconds(1);
  hub_->tick();
  EXPECT_EQ(last(one_).goodbye().code(), "silent");
  hub_->closed(one_);
  run();
  EXPECT_TRUE(machine_.node(NodeId(node_))->connected) << "nothing could be logged yet";
  EXPECT_EQ(hub_->waiting().links, 1U);
  full_ = false;
  hub_->tick();
  run();
  EXPECT_EQ(hub_->waiting().links, 0U);
  EXPECT_FALSE(machine_.node(NodeId(node_))->connected);
}

TEST_F(HubTest, WhatTheMarketEndsIsNotHeldAgainstTheNode) {
  const auto ended_by_market = [&] {
    const v1::Command& last = commands_.back();
    EXPECT_TRUE(last.has_set_node_link());
    EXPECT_FALSE(last.set_node_link().connected());
    return last.set_node_link().by_market();
  };
  connect(one_);
  hub_->closed(one_);
  run();
  EXPECT_FALSE(ended_by_market()) << "the agent went";

  connect(two_);
  stored_ = false;
  full_ = true;
  hub_->shut_down();
  EXPECT_EQ(last(two_).goodbye().code(), "shutting_down");
  hub_->closed(two_);
  full_ = false;
  hub_->tick();
  run();
  EXPECT_TRUE(ended_by_market());
  stored_ = true;
  hub_->tick();
  run();
  EXPECT_TRUE(ended_by_market()) << "told again after it was not stored";
  ASSERT_EQ(machine_.node(NodeId(node_))->uptime.size(), 2U);
  EXPECT_FALSE(machine_.node(NodeId(node_))->uptime[0].cut);
  EXPECT_TRUE(machine_.node(NodeId(node_))->uptime[1].cut);
}

TEST_F(HubTest, AMarketThatCannotStoreTheReportIsToBlame) {
  hub_->opened(one_);
  stored_ = false;
  say(one_, hello(one_, key_));
  EXPECT_EQ(last(one_).goodbye().code(), "busy");
  stored_ = true;
  hub_->closed(one_);
  run();
  EXPECT_TRUE(commands_.back().set_node_link().by_market());
}

TEST_F(HubTest, WhatANodeMeasuresIsKeptButNotWithoutBounds) {
  connect(one_);
  v1::AgentMessage both;
  both.mutable_telemetry()->mutable_now()->add_devices()->set_celsius(70);
  both.mutable_telemetry()->mutable_minute()->set_seconds(60);
  say(one_, both);
  say(one_, both);
  ASSERT_EQ(telemetry_.size(), 1U) << "twice in no time";
  EXPECT_TRUE(telemetry_[0].has_minute());
  clock_.at = clock_.at + seconds(1);
  say(one_, both);
  ASSERT_EQ(telemetry_.size(), 2U);
  EXPECT_EQ(telemetry_[1].now().devices(0).celsius(), 70U);
  EXPECT_FALSE(telemetry_[1].has_minute()) << "two minutes in one second";
  clock_.at = clock_.at + seconds(10);
  for (int i = 0; i < 20'000; ++i) both.mutable_telemetry()->mutable_now()->add_devices();
  say(one_, both);
  EXPECT_EQ(telemetry_.size(), 2U) << "too much";
  EXPECT_TRUE(closing_.empty());
}

TEST_F(HubTest, WhatANodeSaysOfItsOwnerIsKeptButNotWithoutBounds) {
  connect(one_);
  v1::AgentMessage message;
  v1::OwnerNote& note = *message.mutable_telemetry()->add_owner();
  note.set_act(v1::OWNER_CAME);
  note.set_why("keyboard or mouse");
  say(one_, message);
  ASSERT_EQ(telemetry_.size(), 1U);
  EXPECT_EQ(telemetry_[0].owner(0).why(), "keyboard or mouse");
  say(one_, message);
  EXPECT_EQ(telemetry_.size(), 1U) << "twice in no time";
  clock_.at = clock_.at + seconds(1);
  note.set_why(std::string(201, 'x'));
  say(one_, message);
  EXPECT_EQ(telemetry_.size(), 1U) << "no reason is so long";
  clock_.at = clock_.at + seconds(1);
  note.set_why("");
  for (int i = 0; i < 64; ++i) message.mutable_telemetry()->add_owner();
  say(one_, message);
  EXPECT_EQ(telemetry_.size(), 1U) << "nobody comes and goes so often";
}

TEST_F(HubTest, ANodeThatIsWatchedIsAskedEverySecond) {
  connect(one_);
  const std::size_t before = sent_[one_].size();
  hub_->tick();
  EXPECT_EQ(sent_[one_].size(), before);
  watched_ = {NodeId(node_), NodeId(99)};
  hub_->tick();
  hub_->tick();
  ASSERT_EQ(sent_[one_].size(), before + 2);
  EXPECT_EQ(last(one_).watch_telemetry().for_us(), limits_.watch.value);
}

TEST_F(HubTest, ARemovedNodeIsToldToLeave) {
  connect(one_);
  v1::Command command;
  command.set_actor(provider_);
  command.mutable_remove_node()->set_node(node_);
  apply(command);
  EXPECT_EQ(last(one_).goodbye().code(), "removed");
}

// It would not wait, and start the workload without them.
TEST_F(HubTest, AnAgentOfBeforeSecretsGetsNoLeaseThatNeedsSome) {
  takes_secrets_ = false;
  connect(one_);
  const LeaseId lease(placed_here("TOKEN"));
  ASSERT_NE(lease, LeaseId());
  run();
  for (const v1::HubMessage& message : sent_[one_]) {
    EXPECT_EQ(message.desired().leases_size(), 0) << message.ShortDebugString();
  }
  ASSERT_NE(machine_.lease(lease), nullptr);
  EXPECT_FALSE(core::is_open(*machine_.lease(lease)));
  EXPECT_EQ(machine_.lease(lease)->reason, v1::START_FAILED);
}

TEST_F(HubTest, AnAgentOfTodayGetsThemToWaitForItsSecrets) {
  connect(one_);
  const LeaseId lease(placed_here("TOKEN"));
  ASSERT_EQ(last(one_).desired().leases_size(), 1);
  EXPECT_EQ(last(one_).desired().leases(0).lease(), lease.value);
  run();
  EXPECT_TRUE(core::is_open(*machine_.lease(lease)));
}

TEST_F(HubTest, AnAgentOfBeforeSecretsGetsWhatNeedsNone) {
  takes_secrets_ = false;
  connect(one_);
  const LeaseId lease(placed_here());
  ASSERT_EQ(last(one_).desired().leases_size(), 1);
  EXPECT_EQ(last(one_).desired().leases(0).lease(), lease.value);
  run();
  EXPECT_TRUE(core::is_open(*machine_.lease(lease)));
}

TEST_F(HubTest, SecretsPassByToTheNodeThatAsked) {
  connect(one_);
  v1::AgentMessage asked;
  asked.mutable_secret_ask()->set_lease(7);
  asked.mutable_secret_ask()->set_order(3);
  const std::string box_key(32, 'k');
  asked.mutable_secret_ask()->set_public_key(box_key);
  asked.mutable_secret_ask()->set_signature(
      to_bytes(key_.sign(secret_ask_bytes(LeaseId(7), box_key))));
  const std::size_t logged = commands_.size();
  EXPECT_EQ(hub_->deliver_secrets(NodeId(node_), LeaseId(7), "x"), SecretDelivery::kNotAsked);
  say(one_, asked);
  ASSERT_EQ(hub_->secret_asks(OrderId(3)).size(), 1U);
  EXPECT_EQ(hub_->deliver_secrets(NodeId(99), LeaseId(7), "x"), SecretDelivery::kNodeAway);
  EXPECT_EQ(hub_->deliver_secrets(NodeId(node_), LeaseId(7), "sealed"), SecretDelivery::kSent);
  EXPECT_EQ(last(one_).sealed_secrets().lease(), 7U);
  EXPECT_EQ(last(one_).sealed_secrets().sealed(), "sealed");
  EXPECT_EQ(hub_->deliver_secrets(NodeId(node_), LeaseId(7), "x"), SecretDelivery::kNotAsked);
  // Nothing of it is for the log.
  EXPECT_EQ(commands_.size(), logged);

  // What it asked ends with its connection: its agent may come back with another key.
  say(one_, asked);
  connect(two_);
  EXPECT_TRUE(hub_->secret_asks(OrderId(3)).empty());
  say(two_, asked);
  hub_->closed(one_);
  EXPECT_EQ(hub_->secret_asks(OrderId(3)).size(), 1U);
  hub_->closed(two_);
  EXPECT_TRUE(hub_->secret_asks(OrderId(3)).empty());

  const SessionId three(3);
  connect(three);
  asked.mutable_secret_ask()->set_lease(8);  // it has signed for another
  say(three, asked);
  EXPECT_EQ(last(three).goodbye().code(), "protocol");
  EXPECT_TRUE(hub_->secret_asks(OrderId(3)).empty());
}

}  // namespace
}  // namespace fallow::server
