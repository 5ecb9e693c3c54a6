// Threat 16: money that a renter's bank takes back must not have left with the provider. What is
// earned waits for payout_delay; see also tests/scenarios/01-a-job-from-deposit-to-payout.txt.
#include "core/wallets.h"

#include <algorithm>

#include "core/test_machine.h"

namespace fallow::core {
namespace {

class PayoutDelayTest : public MachineTest {
 protected:
  void SetUp() override {
    found();
    provider_ = open(v1::PROVIDER);
    const std::uint64_t renter = open(v1::RENTER);
    deposit(renter, 1'000'000'000);
    node_ = node(provider_, 3'600'000);
    v1::Command order = submit(renter);
    order.mutable_submit_order()->set_attempts_max(1);
    ASSERT_EQ(refusal_of(order, renter), v1::REFUSAL_UNSPECIFIED);
    machine_.visit_leases_newest(LeaseId(0), [&](const Lease& lease) {
      lease_ = lease.id;
      return false;
    });
  }
  // After ten seconds that cost 10'000, of which 500 are the market's.
  void end(v1::EndReason reason) {
    now_ = now_ + seconds(11);
    v1::Command command;
    command.mutable_observe()->set_node(node_);
    v1::WorkloadReport& told = *command.mutable_observe()->add_workloads();
    told.set_lease(lease_.value);
    told.set_state(v1::ENDED);
    told.set_reason(reason);
    v1::MeterRecord& meter = *told.add_meters();
    meter.set_lease(lease_.value);
    meter.set_sequence(1);
    meter.set_running_us(seconds(10).value);
    apply(command);
    ended_at_ = now_;
    ASSERT_EQ(machine_.lease(lease_)->charged, Micros(10'000));
  }
  void tick_at(Time at) {
    now_ = at - milliseconds(1);
    v1::Command command;
    command.mutable_tick();
    apply(command);
  }
  v1::Refusal withdraw(std::int64_t micros) {
    v1::Command command;
    command.mutable_withdraw()->set_account(provider_);
    command.mutable_withdraw()->set_amount_micros(micros);
    command.mutable_withdraw()->set_destination("bank");
    return refusal_of(command, provider_);
  }

  std::uint64_t provider_ = 0;
  std::uint64_t node_ = 0;
  LeaseId lease_;
  Time ended_at_;
};

TEST_F(PayoutDelayTest, NothingEarnedLeavesBefore) {
  end(v1::COMPLETED);
  EXPECT_EQ(withdraw(1), v1::NO_FUNDS);
  tick_at(ended_at_ + hours(24) - seconds(1));
  EXPECT_EQ(withdraw(1), v1::NO_FUNDS);
  tick_at(ended_at_ + hours(24));
  EXPECT_EQ(withdraw(9'501), v1::NO_FUNDS);
  EXPECT_EQ(withdraw(9'500), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(withdraw(1), v1::NO_FUNDS);
}

TEST_F(PayoutDelayTest, AShorterDelayIsForWhatIsEarnedLater) {
  end(v1::COMPLETED);
  v1::Command rules;
  *rules.mutable_set_policy()->mutable_policy() = machine_.policy();
  rules.mutable_set_policy()->mutable_policy()->set_payout_delay_us(0);
  ASSERT_EQ(refusal_of(rules), v1::REFUSAL_UNSPECIFIED);
  tick_at(ended_at_ + hours(1));
  EXPECT_EQ(withdraw(1), v1::NO_FUNDS);
}

// Nothing else names its account once it is settled.
TEST_F(PayoutDelayTest, WhoAskedForAPayoutIsNamedWhenItIsSettled) {
  end(v1::COMPLETED);
  tick_at(ended_at_ + hours(24));
  for (const bool paid : {true, false}) {
    ASSERT_EQ(withdraw(100), v1::REFUSAL_UNSPECIFIED);
    v1::Command command;
    for (const v1::Event& event : events_) {
      if (!event.has_payout_requested()) continue;
      command.mutable_settle_payout()->set_payout(event.payout_requested().payout());
    }
    command.mutable_settle_payout()->set_paid(paid);
    ASSERT_EQ(refusal_of(command), v1::REFUSAL_UNSPECIFIED);
    const auto told = std::find_if(events_.begin(), events_.end(), [](const v1::Event& event) {
      return event.has_payout_settled();
    });
    ASSERT_NE(told, events_.end());
    EXPECT_EQ(told->payout_settled().account(), provider_);
    EXPECT_EQ(told->payout_settled().paid(), paid);
  }
}

TEST_F(PayoutDelayTest, WhatWasGivenBackNeverLeaves) {
  end(v1::WORKLOAD_LOST);
  EXPECT_EQ(machine_.lease(lease_)->refunded, Micros(10'000));
  tick_at(ended_at_ + hours(25));
  EXPECT_EQ(withdraw(1), v1::NO_FUNDS);
}

}  // namespace
}  // namespace fallow::core
