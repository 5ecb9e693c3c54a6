// The reconciler's tests: the hub's side and the world's, by hand, on a clock of their own.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/reconciler.h"
#include "base/meter_bytes.h"

namespace fallow::agent {

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
    *welcome.mutable_welcome()->mutable_policy() = policy_;
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

  v1::Policy policy_ = default_policy();
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

}  // namespace fallow::agent
