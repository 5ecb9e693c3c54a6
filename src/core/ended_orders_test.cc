// What ended orders leave behind is bounded, and so is what one StopOrder does.
#include <gtest/gtest.h>

#include <string>

#include "core/test_machine.h"

namespace fallow::core {
namespace {

Limits few_kept() {
  Limits limits;
  limits.tasks_ended_kept_max = 25;
  limits.workload_bytes_ended_kept_max = 3'000;
  limits.workload_bytes_open_max = 5'000;
  limits.stops_per_command_max = 4;
  return limits;
}

class EndedOrdersTest : public MachineTest {
 protected:
  EndedOrdersTest() : MachineTest(few_kept()) {}

  void SetUp() override {
    v1::Command founding = test_found();
    founding.mutable_found()->mutable_policy()->set_fair_turns(true);
    ASSERT_EQ(refusal_of(founding), v1::REFUSAL_UNSPECIFIED);
    provider_ = open(v1::PROVIDER);
    renter_ = open(v1::RENTER);
    deposit(renter_, 1'000'000'000);
    node(provider_, 100);
    taken_ = ask(1);
  }

  v1::Command order_of(std::uint32_t tasks, std::size_t bytes) {
    v1::Command command = submit(renter_, tasks);
    command.mutable_submit_order()->mutable_workload()->set_command(0, std::string(bytes, 'x'));
    return command;
  }
  OrderId ask(std::uint32_t tasks, std::size_t bytes = 1) {
    const OrderId id(next_id());
    EXPECT_EQ(refusal_of(order_of(tasks, bytes), renter_), v1::REFUSAL_UNSPECIFIED);
    return id;
  }
  void stop(OrderId order) {
    v1::Command command;
    command.mutable_stop_order()->set_order(order.value);
    EXPECT_EQ(refusal_of(command, renter_), v1::REFUSAL_UNSPECIFIED);
  }
  void tick() {
    v1::Command command;
    command.mutable_tick();
    apply(command);
  }
  bool is_due() const { return machine_.next_deadline() && *machine_.next_deadline() <= now_; }
  void stop_whole(OrderId order) {
    stop(order);
    while (is_due()) tick();
    const Order* const left = machine_.order(order);
    EXPECT_TRUE(left == nullptr || left->state == v1::ORDER_STOPPED);
  }

  std::uint64_t provider_ = 0;
  std::uint64_t renter_ = 0;
  OrderId taken_;  // has the only device
};

TEST_F(EndedOrdersTest, TheOldestAreForgottenForTheirTasks) {
  const OrderId first = ask(10);
  stop_whole(first);
  const OrderId second = ask(10);
  stop_whole(second);
  EXPECT_NE(machine_.order(first), nullptr);
  const OrderId third = ask(10);
  stop_whole(third);
  EXPECT_EQ(machine_.order(first), nullptr);
  EXPECT_NE(machine_.order(second), nullptr);
  EXPECT_NE(machine_.order(third), nullptr);
}

TEST_F(EndedOrdersTest, TheOldestAreForgottenForTheirWorkloads) {
  const OrderId first = ask(1, 2'000);
  stop_whole(first);
  EXPECT_NE(machine_.order(first), nullptr);
  const OrderId second = ask(1, 2'000);
  stop_whole(second);
  EXPECT_EQ(machine_.order(first), nullptr);
  EXPECT_NE(machine_.order(second), nullptr);
}

TEST_F(EndedOrdersTest, OpenWorkloadsHaveAMaximumTogether) {
  const OrderId first = ask(1, 2'000);
  ask(1, 2'000);
  EXPECT_EQ(refusal_of(order_of(1, 2'000), renter_), v1::LIMIT_REACHED);
  stop_whole(first);
  EXPECT_EQ(refusal_of(order_of(1, 2'000), renter_), v1::REFUSAL_UNSPECIFIED);
}

TEST_F(EndedOrdersTest, ABigOneIsStoppedInParts) {
  const OrderId id = ask(10);
  stop(id);
  const Order& order = *machine_.order(id);
  EXPECT_EQ(order.stopped, 4U);
  EXPECT_EQ(order.state, v1::OPEN);
  ASSERT_TRUE(is_due());

  std::string bytes;
  machine_.snapshot([&](std::string_view piece) { bytes += piece; });
  Machine twin(few_kept());
  std::string_view rest = bytes;
  ASSERT_TRUE(twin.restore([&](char* to, std::size_t size) -> Result<std::size_t> {
    const std::size_t piece = rest.copy(to, size);
    rest.remove_prefix(piece);
    return piece;
  }));
  EXPECT_EQ(twin.next_deadline(), machine_.next_deadline());

  // What is to be stopped takes no device that becomes free meanwhile.
  node(provider_, 100);
  EXPECT_EQ(machine_.counts().leases_open, 1U);
  tick();
  EXPECT_EQ(order.stopped, 8U);
  tick();
  EXPECT_EQ(order.state, v1::ORDER_STOPPED);
  EXPECT_EQ(order.held, Micros(0));
  EXPECT_FALSE(is_due());
}

TEST_F(EndedOrdersTest, OlderMarketsStopAllAtOnceAndForgetByOrders) {
  v1::Command policy;
  *policy.mutable_set_policy()->mutable_policy() = machine_.policy();
  policy.mutable_set_policy()->mutable_policy()->set_fair_turns(false);
  ASSERT_EQ(refusal_of(policy), v1::REFUSAL_UNSPECIFIED);
  const OrderId first(next_id());
  for (int i = 0; i < 4; ++i) {
    const OrderId id = ask(10, 2'000);
    stop(id);
    EXPECT_EQ(machine_.order(id)->state, v1::ORDER_STOPPED);
  }
  EXPECT_NE(machine_.order(first), nullptr);
}

}  // namespace
}  // namespace fallow::core
