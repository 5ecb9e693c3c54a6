#include "core/egress.h"

#include "base/money.h"
#include "core/meter.h"
#include "core/test_machine.h"

namespace fallow::core {
namespace {

TEST(Egress, CostsWhatWasSentUpToWhatIsHeldForIt) {
  EXPECT_EQ(price_of_bytes(Micros(50'000), 1'500'000'000), Micros(75'000));
  EXPECT_EQ(price_of_bytes(Micros(50'000), 19'999), Micros(0)) << "rounded down";
  Lease lease;
  lease.egress_gb = Micros(50'000);
  lease.egress_bytes_max = 2'000'000'000;
  EXPECT_EQ(egress_hold(lease), Micros(100'000));
  EXPECT_EQ(egress_cost(lease), Micros(0));
  lease.egress_bytes = 1'000'000'000;
  EXPECT_EQ(egress_cost(lease), Micros(50'000));
  lease.egress_bytes = 1'000'000'000'000'000'000;
  EXPECT_EQ(egress_cost(lease), egress_hold(lease));
}

TEST(Egress, WhoSaysNothingTakesOnlyWhatCostsNothing) {
  Demand demand;
  EXPECT_TRUE(takes_egress(demand, Micros(5))) << "it has no network";
  demand.requirements.set_network(v1::EGRESS);
  EXPECT_TRUE(takes_egress(demand, Micros(0)));
  EXPECT_FALSE(takes_egress(demand, Micros(5)));
  demand.requirements.set_egress_mb_max(1);
  EXPECT_TRUE(takes_egress(demand, Micros(5)));
  demand.egress_gb_max = Micros(4);
  EXPECT_FALSE(takes_egress(demand, Micros(5)));
  EXPECT_TRUE(takes_egress(demand, Micros(4)));
}

TEST(Egress, NeitherPartOfTheHoldPaysForTheOther) {
  Lease lease;
  lease.hold = Micros(110'000);
  lease.rate_hour = Micros(3'600'000);
  lease.time_max = seconds(10);
  lease.egress_gb = Micros(50'000);
  lease.egress_bytes_max = 2'000'000'000;
  lease.proven = seconds(60);
  EXPECT_EQ(bill_of(lease).gross, Micros(10'000));
  lease.egress_bytes = 9'000'000'000;
  EXPECT_EQ(bill_of(lease).gross, Micros(110'000));
  EXPECT_EQ(bill_of_time(lease).gross, Micros(10'000));
  lease.proven = seconds(0);
  EXPECT_EQ(bill_of(lease).gross, Micros(100'000));
}

class EgressMarketTest : public MachineTest {
 protected:
  void SetUp() override {
    found();
    provider_ = open(v1::PROVIDER);
    renter_ = open(v1::RENTER);
    deposit(renter_, 1'000'000'000);
    node_ = node(provider_, 3'600'000);
    ASSERT_EQ(ask(50'000), v1::REFUSAL_UNSPECIFIED);
  }

  v1::Refusal ask(std::int64_t egress_gb) {
    v1::Command command;
    command.mutable_set_offer()->set_node(node_);
    command.mutable_set_offer()->set_device_hour_micros(3'600'000);
    command.mutable_set_offer()->set_egress_gb_micros(egress_gb);
    return refusal_of(command);
  }

  v1::Command sending(std::uint32_t megabytes) {
    v1::Command command = submit(renter_);
    command.mutable_submit_order()->mutable_requirements()->set_network(v1::EGRESS);
    command.mutable_submit_order()->mutable_requirements()->set_egress_mb_max(megabytes);
    return command;
  }

  const Lease& newest() {
    const Lease* found = nullptr;
    machine_.visit_leases_newest(LeaseId(0), [&](const Lease& lease) {
      found = &lease;
      return false;
    });
    return *found;
  }

  void meter(const Lease& lease, std::uint32_t sequence, Duration running, std::int64_t bytes,
             v1::EndReason end = v1::END_REASON_UNSPECIFIED) {
    now_ = now_ + seconds(10);
    v1::Command command;
    v1::WorkloadReport& report = *command.mutable_observe()->add_workloads();
    command.mutable_observe()->set_node(node_);
    report.set_lease(lease.id.value);
    report.set_state(end == v1::END_REASON_UNSPECIFIED ? v1::RUNNING : v1::ENDED);
    report.set_reason(end);
    v1::MeterRecord& record = *report.add_meters();
    record.set_lease(lease.id.value);
    record.set_sequence(sequence);
    record.set_running_us(running.value);
    record.set_egress_bytes(bytes);
    apply(command);
  }

  std::uint64_t provider_ = 0;
  std::uint64_t renter_ = 0;
  std::uint64_t node_ = 0;
};

TEST_F(EgressMarketTest, WhatMayBeSentIsHeldBesideTheTime) {
  ASSERT_EQ(refusal_of(sending(2'000), renter_), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(newest().hold, Micros(3'700'000));
  EXPECT_EQ(newest().time_max, hours(1));
  EXPECT_EQ(newest().egress_bytes_max, 2'000'000'000);
  meter(newest(), 1, seconds(5), 1'000'000'000);
  EXPECT_EQ(newest().charged, Micros(5'000 + 50'000));
  meter(newest(), 2, seconds(10), 999'999'999);
  EXPECT_EQ(newest().proven, seconds(5)) << "what was sent is not taken back";
  restored();
}

TEST_F(EgressMarketTest, AnotherAttemptMaySendWhatIsLeft) {
  ASSERT_EQ(refusal_of(sending(2'000), renter_), v1::REFUSAL_UNSPECIFIED);
  const LeaseId first = newest().id;
  meter(newest(), 1, seconds(5), 700'000'000, v1::DEVICE_FAULT);
  EXPECT_EQ(machine_.lease(first)->refunded, machine_.lease(first)->charged);
  ASSERT_NE(newest().id, first);
  EXPECT_EQ(newest().egress_bytes_max, 2'000'000'000) << "it was refunded, and is sent anew";
  const LeaseId second = newest().id;
  meter(newest(), 1, seconds(5), 700'000'000, v1::STORE_FULL);
  const Order& order = *machine_.order(machine_.lease(second)->order);
  EXPECT_EQ(egress_left(order, order.tasks[0]), 1'300'000'000);
  restored();
}

TEST_F(EgressMarketTest, AQuoteBindsWhatAGigabyteCosts) {
  const v1::Command asked = sending(2'000);
  const auto estimate = machine_.estimate(asked.submit_order().requirements(), 1, now_);
  ASSERT_TRUE(estimate);
  EXPECT_EQ(estimate->quote.egress_gb_micros(), 50'000);
  EXPECT_EQ(estimate->quote.total_micros(), 3'700'000);
  EXPECT_EQ(estimate->egress, Micros(100'000));
  ASSERT_EQ(ask(90'000), v1::REFUSAL_UNSPECIFIED);
  v1::Command quoted = asked;
  *quoted.mutable_submit_order()->mutable_requirements() = estimate->quote.requirements();
  *quoted.mutable_submit_order()->mutable_quote() = estimate->quote;
  ASSERT_EQ(refusal_of(quoted, renter_), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(newest().egress_gb, Micros(50'000));
  EXPECT_EQ(newest().hold, Micros(3'700'000));
  restored();
}

TEST_F(EgressMarketTest, WithoutTheRuleNothingHasAPrice) {
  change_policy([](v1::Policy& policy) { policy.set_prices_egress(false); });
  EXPECT_EQ(ask(60'000), v1::VALUE_INVALID);
  EXPECT_EQ(ask(0), v1::REFUSAL_UNSPECIFIED);
}

TEST_F(EgressMarketTest, WhatCannotBeIsRefused) {
  EXPECT_EQ(ask(-1), v1::VALUE_INVALID);
  v1::Command closed = sending(2'000);
  closed.mutable_submit_order()->mutable_requirements()->set_network(v1::NETWORK_NONE);
  EXPECT_EQ(refusal_of(closed, renter_), v1::VALUE_INVALID);
  EXPECT_EQ(refusal_of(sending(0), renter_), v1::NO_MATCH);
  EXPECT_NE(events_[0].refused().message().find("say how much it may send"), std::string::npos)
      << events_[0].refused().message();
}

TEST_F(EgressMarketTest, OfTooSmallABudgetWhatMayBeSentIsSetAsideFirst) {
  v1::Command command = sending(2'000);
  command.mutable_submit_order()->set_budget_micros_max(110'000);
  ASSERT_EQ(refusal_of(command, renter_), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(newest().hold, Micros(110'000));
  EXPECT_EQ(newest().time_max, seconds(10));
}

TEST_F(EgressMarketTest, ABudgetThatDoesNotCoverWhatMayBeSentPaysForNoTime) {
  v1::Command command = sending(2'000);
  command.mutable_submit_order()->set_budget_micros_max(99'999);
  ASSERT_EQ(refusal_of(command, renter_), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(machine_.counts().leases_open, 0U);
  EXPECT_EQ(machine_.order(OrderId(machine_.last_index().value * 4'096))->state, v1::ORDER_FAILED);
}

}  // namespace
}  // namespace fallow::core
