// What is kept for a big order: that it does for it still, and that others are out of the way.
#include "core/reservation.h"

#include <string>

#include "core/test_machine.h"

namespace fallow::core {
namespace {

class ReservationTest : public MachineTest {
 protected:
  void SetUp() override {
    found();
    provider_ = open(v1::PROVIDER);
    renter_ = open(v1::RENTER);
    deposit(renter_, 1'000'000'000);
  }

  struct Ask {
    Duration time;
    std::uint32_t gpus = 1;
    std::uint32_t nodes = 1;
    std::string image;
  };
  const Order& ask(const Ask& asked) {
    v1::Command command = submit(renter_, asked.nodes);
    v1::SubmitOrder& order = *command.mutable_submit_order();
    order.mutable_requirements()->set_duration_us(asked.time.value);
    order.mutable_requirements()->set_gpus(asked.gpus);
    order.mutable_requirements()->set_nodes(asked.nodes);
    order.mutable_workload()->set_image(asked.image);
    if (!asked.image.empty()) order.mutable_requirements()->set_query("images=true");
    const std::uint64_t id = next_id();
    EXPECT_EQ(refusal_of(command, renter_), v1::REFUSAL_UNSPECIFIED);
    return *machine_.order(OrderId(id));
  }
  std::uint64_t node_with_images() {
    const std::uint64_t id = node(provider_, 100);
    v1::Command facts;
    facts.mutable_report_node()->set_node(id);
    *facts.mutable_report_node()->mutable_facts() = test_facts(1);
    facts.mutable_report_node()->mutable_facts()->set_images(true);
    EXPECT_EQ(refusal_of(facts), v1::REFUSAL_UNSPECIFIED);
    return id;
  }
  void set_longest(std::uint64_t node, Duration longest) {
    v1::Command command;
    command.mutable_set_offer()->set_node(node);
    command.mutable_set_offer()->set_device_hour_micros(100);
    command.mutable_set_offer()->set_duration_us_max(longest.value);
    ASSERT_EQ(refusal_of(command), v1::REFUSAL_UNSPECIFIED);
  }
  void extend(const Order& order, Duration more) {
    v1::Command command;
    command.mutable_extend_order()->set_order(order.id.value);
    command.mutable_extend_order()->set_more_us(more.value);
    ASSERT_EQ(refusal_of(command, renter_), v1::REFUSAL_UNSPECIFIED);
  }
  // The node's word of the order's only lease.
  void report(const Order& order, v1::LeaseState state, bool pulling = false) {
    const Lease& lease = *machine_.lease(order.tasks[0].lease);
    v1::Command command;
    command.mutable_observe()->set_node(lease.node.value);
    v1::WorkloadReport& told = *command.mutable_observe()->add_workloads();
    told.set_lease(lease.id.value);
    told.set_state(state);
    told.set_pulling(pulling);
    if (state == v1::ENDED) told.set_reason(v1::COMPLETED);
    apply(command);
  }

  // Of two nodes, one leased.
  void wait_for_four_hours() {
    for (int i = 0; i < 2; ++i) node_with_images();
    ASSERT_EQ(ask({hours(4)}).leased, 1U);
    ASSERT_EQ(ask({hours(1), 1, 2}).waiting, 2U);
  }
  void wait_for_image(bool pulling) {
    for (int i = 0; i < 2; ++i) node_with_images();
    report(ask({hours(1), 1, 1, "org/tool"}), v1::STARTING, pulling);
    ASSERT_EQ(ask({hours(1), 1, 2}).waiting, 2U);
  }

  std::uint64_t provider_ = 0;
  std::uint64_t renter_ = 0;
};

// What is kept for it is offered for two hours, and it takes three now.
TEST_F(ReservationTest, WhoTakesLongerThanWhatIsKeptIsOfferedForGoesAnotherWay) {
  const std::uint64_t later = node(provider_, 100, 2);
  const Order& long_one = ask({hours(10), 2});
  const std::uint64_t soon = node(provider_, 100, 2);
  set_longest(soon, hours(2));
  const Order& short_one = ask({hours(1), 2});
  ASSERT_EQ(machine_.lease(long_one.tasks[0].lease)->node.value, later);
  ASSERT_EQ(machine_.lease(short_one.tasks[0].lease)->node.value, soon);
  const Order& big = ask({hours(1), 2});
  ASSERT_EQ(big.waiting, 1U);
  extend(big, hours(2));
  const auto twin = restored();
  v1::Command tick;
  tick.mutable_tick();
  apply(tick);
  Events told;
  twin->apply(machine_.last_index(), now_, tick, told);
  EXPECT_EQ(twin->digest(), machine_.digest());
  report(short_one, v1::ENDED);
  EXPECT_EQ(big.waiting, 1U);
  EXPECT_EQ(ask({hours(2), 2}).leased, 1U) << "it is kept for nobody any more";
}

// Two devices, one free in an hour and one in five. Whoever waits has the first of them then: that
// the second will be free, too, hours later, is no reason to keep the first.
TEST_F(ReservationTest, WhatIsFreeLaterMakesNoRoomAtThePromisedMoment) {
  change_policy([](v1::Policy& policy) { policy.set_fair_turns(true); });
  node(provider_, 100, 2);
  const Order& first = ask({hours(1)});
  ASSERT_EQ(ask({hours(5)}).leased, 1U);
  ASSERT_EQ(ask({hours(1)}).waiting, 1U);
  v1::Command command;
  command.mutable_extend_order()->set_order(first.id.value);
  command.mutable_extend_order()->set_more_us(hours(3).value);
  EXPECT_EQ(refusal_of(command, renter_), v1::NO_MATCH);
  change_policy([](v1::Policy& policy) { policy.set_firm_turns(false); });
  EXPECT_EQ(refusal_of(command, renter_), v1::REFUSAL_UNSPECIFIED) << "a market of before";
}

// A gang waits for a node that is leased for four hours. Another stands free beside it: what ends
// before passes, but an image may be pulled for an hour first.
TEST_F(ReservationTest, AnImageThatIsPulledDelaysNobody) {
  wait_for_four_hours();
  EXPECT_EQ(ask({hours(3) + minutes(30), 1, 1, "org/tool"}).leased, 0U);
  EXPECT_EQ(ask({hours(3) + minutes(30)}).leased, 1U);
}

TEST_F(ReservationTest, AMarketOfBeforeFirmTurnsCountsNoPull) {
  change_policy([](v1::Policy& policy) { policy.set_firm_turns(false); });
  wait_for_four_hours();
  EXPECT_EQ(ask({hours(3) + minutes(30), 1, 1, "org/tool"}).leased, 1U);
}

// The same of the lease that is waited for: it ends two hours and a quarter from now at the latest,
// and an hour before that if its image is there already.
TEST_F(ReservationTest, WhatIsPullingLeavesLater) {
  wait_for_image(true);
  EXPECT_EQ(ask({minutes(90)}).leased, 1U);
}

TEST_F(ReservationTest, WhatHasItsImageDoesNot) {
  wait_for_image(false);
  EXPECT_EQ(ask({minutes(90)}).leased, 0U);
}

}  // namespace
}  // namespace fallow::core
