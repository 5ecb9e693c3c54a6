#include "core/paid_wait.h"

#include "core/test_machine.h"

namespace fallow::core {
namespace {

class PaidWaitTest : public MachineTest {
 protected:
  void SetUp() override {
    found();
    provider_ = open(v1::PROVIDER);
    renter_ = open(v1::RENTER);
    deposit(renter_, 1'000'000'000);
    node_ = node(provider_, 400'000);
    holder_ = job(renter_);
  }
  // An order of an hour that waits for the node's one device, which `holder_` has.
  std::uint64_t job(std::uint64_t renter, v1::Tier tier = v1::ON_DEMAND, Duration deadline = {}) {
    v1::Command command = submit(renter, 1);
    v1::SubmitOrder& order = *command.mutable_submit_order();
    order.set_wait(true);
    order.mutable_requirements()->set_gpus(1);
    order.mutable_requirements()->set_tier(tier);
    if (deadline.value > 0) order.mutable_requirements()->clear_tier();
    order.set_deadline_after_us(deadline.value);
    const std::uint64_t id = next_id();
    EXPECT_EQ(refusal_of(command, renter), v1::REFUSAL_UNSPECIFIED);
    return id;
  }
  LeaseId lease_of(std::uint64_t order) { return machine_.order(OrderId(order))->tasks[0].lease; }
  void report(std::uint64_t order, v1::LeaseState state, Duration proven,
              v1::EndReason reason = v1::COMPLETED) {
    v1::Command command;
    command.mutable_observe()->set_node(node_);
    v1::WorkloadReport& said = *command.mutable_observe()->add_workloads();
    said.set_lease(lease_of(order).value);
    said.set_state(state);
    if (state == v1::ENDED) said.set_reason(reason);
    if (proven.value > 0) {
      v1::MeterRecord& record = *said.add_meters();
      record.set_lease(said.lease());
      record.set_sequence(1);
      record.set_running_us(proven.value);
      record.set_signature(std::string(64, 's'));
    }
    apply(command);
  }
  // The holder leaves at once; the order runs for `ran`, and ends so.
  std::optional<v1::PaidWait> wait_of(std::uint64_t order, Duration ran,
                                      v1::EndReason reason = v1::COMPLETED) {
    report(holder_, v1::ENDED, Duration(0));
    EXPECT_NE(lease_of(order).value, 0U);
    report(order, v1::RUNNING, Duration(0));
    now_ = now_ + ran;
    report(order, v1::ENDED, ran, reason);
    for (const v1::Event& event : events_) {
      if (event.lease_ended().has_paid_wait()) return event.lease_ended().paid_wait();
    }
    return std::nullopt;
  }

  std::uint64_t provider_ = 0;
  std::uint64_t renter_ = 0;
  std::uint64_t node_ = 0;
  std::uint64_t holder_ = 0;
};

TEST_F(PaidWaitTest, CountsAsLongAsWhatIsPaidFor) {
  const std::uint64_t order = job(renter_);
  const Time asked = now_;
  now_ = now_ + minutes(30);
  const auto wait = wait_of(order, minutes(10));
  ASSERT_TRUE(wait);
  const Time placed = machine_.lease(lease_of(order))->placed_at;
  EXPECT_GE(placed - asked, minutes(30));
  EXPECT_EQ(wait->until_us(), placed.us);
  EXPECT_EQ(wait->until_us() - wait->from_us(), minutes(10).value) << "the latest part of it";
  EXPECT_EQ(wait->model(), "rtx_4090");
  EXPECT_EQ(wait->region(), "eu");
  EXPECT_EQ(wait->thousandths(), 1'000U);
  EXPECT_EQ(wait->device_hour_micros_max(), 400'000) << "its estimate was of that";
}

TEST_F(PaidWaitTest, IsNoLongerThanTheWait) {
  const std::uint64_t order = job(renter_);
  const Time asked = now_;
  now_ = now_ + minutes(5);
  const auto wait = wait_of(order, minutes(20));
  ASSERT_TRUE(wait);
  EXPECT_EQ(wait->from_us(), asked.us);
}

TEST_F(PaidWaitTest, WhatIsNotPaidForCountsForNothing) {
  const std::uint64_t order = job(renter_);
  now_ = now_ + minutes(30);
  EXPECT_FALSE(wait_of(order, Duration(0)));
}

TEST_F(PaidWaitTest, WhatIsRefundedCountsForNothing) {
  const std::uint64_t order = job(renter_);
  now_ = now_ + minutes(30);
  EXPECT_FALSE(wait_of(order, minutes(10), v1::DEVICE_FAULT));
}

TEST_F(PaidWaitTest, ADeadlineWaitsForItsPrice) {
  const std::uint64_t order = job(renter_, v1::ON_DEMAND, hours(9));
  now_ = now_ + minutes(30);
  EXPECT_FALSE(wait_of(order, minutes(10)));
}

TEST_F(PaidWaitTest, WhoFindsAPlaceAtOnceHasNotWaited) {
  report(holder_, v1::RUNNING, Duration(0));
  now_ = now_ + minutes(10);
  report(holder_, v1::ENDED, minutes(10));
  for (const v1::Event& event : events_) EXPECT_FALSE(event.lease_ended().has_paid_wait());
}

}  // namespace
}  // namespace fallow::core
