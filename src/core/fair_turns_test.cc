// Fair turns: whose node changes without end, and who has many orders, holds up nobody else.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/test_machine.h"

namespace fallow::core {
namespace {

Limits few_tests() {
  Limits limits;
  limits.tests_per_command_max = 4;
  return limits;
}

// A crowd waits for a node of two devices, which is leased. Nodes of one device stand beside it.
class FairTurnsTest : public MachineTest {
 protected:
  FairTurnsTest() : MachineTest(few_tests()) {}

  void SetUp() override {
    v1::Command founding = test_found();
    v1::Policy& policy = *founding.mutable_found()->mutable_policy();
    policy.set_fair_turns(true);
    for (const auto set : {&v1::Policy::set_suspend_after_us, &v1::Policy::set_close_after_us,
                           &v1::Policy::set_start_timeout_us}) {
      (policy.*set)(hours(24).value);
    }
    ASSERT_EQ(refusal_of(founding), v1::REFUSAL_UNSPECIFIED);
    provider_ = open(v1::PROVIDER);
    crowd_ = open(v1::RENTER);
    other_ = open(v1::RENTER);
    for (const std::uint64_t renter : {crowd_, other_}) deposit(renter, 1'000'000'000);
  }

  const Order& ask(std::uint64_t renter, const std::string& query, std::uint32_t gpus = 1) {
    v1::Command command = submit(renter);
    command.mutable_submit_order()->mutable_requirements()->set_query(query);
    command.mutable_submit_order()->mutable_requirements()->set_gpus(gpus);
    const std::uint64_t id = next_id();
    EXPECT_EQ(refusal_of(command, renter), v1::REFUSAL_UNSPECIFIED);
    return *machine_.order(OrderId(id));
  }
  void crowd(std::size_t orders) {
    node(provider_, 100, 2);
    ASSERT_EQ(ask(crowd_, "num_gpus>=2", 2).leased, 1U);
    for (std::size_t i = 0; i < orders; ++i) ask(crowd_, "num_gpus>=2");
    tick_all();
  }
  void tick() {
    v1::Command command;
    command.mutable_tick();
    apply(command);
  }
  void tick_all() {
    for (int i = 0; i < 200; ++i) {
      const auto next = machine_.next_deadline();
      if (!next || *next > now_) return;
      tick();
    }
    FAIL() << "it never comes to an end";
  }
  // Of a node that may take spot from now on.
  std::uint64_t spot_node(std::int64_t price, std::int64_t floor) {
    const std::uint64_t id = node(provider_, price);
    v1::Command command;
    command.mutable_set_offer()->set_node(id);
    command.mutable_set_offer()->set_device_hour_micros(price);
    command.mutable_set_offer()->set_spot(true);
    command.mutable_set_offer()->set_spot_floor_micros(floor);
    EXPECT_EQ(refusal_of(command), v1::REFUSAL_UNSPECIFIED);
    return id;
  }
  // All of the class of all nodes here is expected to be asked for until then.
  void expect_no_spot(Duration ahead) {
    v1::Command command;
    v1::ClassForecast& told = *command.mutable_set_forecast()->add_classes();
    told.set_model("rtx_4090");
    told.set_region("eu");
    told.set_use_basis_points(10'000);
    told.set_until_us((now_ + ahead).us);
    ASSERT_EQ(refusal_of(command), v1::REFUSAL_UNSPECIFIED);
    ASSERT_EQ(events_[0].forecast_set().classes(), 1U);
  }
  // An hour of work, and five minutes for a start.
  const Order& ask_by(Duration deadline) {
    v1::Command command = submit(other_);
    command.mutable_submit_order()->set_deadline_after_us(deadline.value);
    command.mutable_submit_order()->set_restart_us(minutes(5).value);
    const std::uint64_t id = next_id();
    EXPECT_EQ(refusal_of(command, other_), v1::REFUSAL_UNSPECIFIED);
    return *machine_.order(OrderId(id));
  }
  const Lease& lease_of(const Order& order) const { return *machine_.lease(order.tasks[0].lease); }
  void end(const Order& order) {
    const Lease& lease = *machine_.lease(order.tasks[0].lease);
    v1::Command command;
    command.mutable_observe()->set_node(lease.node.value);
    v1::WorkloadReport& report = *command.mutable_observe()->add_workloads();
    report.set_lease(lease.id.value);
    report.set_state(v1::ENDED);
    report.set_reason(v1::COMPLETED);
    apply(command);
  }
  std::uint64_t provider_ = 0;
  std::uint64_t crowd_ = 0;
  std::uint64_t other_ = 0;
};

TEST_F(FairTurnsTest, ANodeThatChangesWithoutEndHoldsUpNobody) {
  const std::uint64_t restless = node(provider_, 1'000);
  const std::uint64_t quiet = node(provider_, 100);
  const std::uint64_t idle = node(provider_, 100);
  const Order& before = ask(other_, fmt::format("node={}", quiet));
  crowd(40);
  std::int64_t price = 1'000;
  offer(restless, --price);
  // Ten commands are needed to test it against all of them; meanwhile nobody else has to wait.
  EXPECT_EQ(ask(other_, fmt::format("node={}", idle)).leased, 1U);
  const Order& next = ask(other_, fmt::format("node={}", quiet));
  end(before);
  for (int command = 0; command < 60 && next.leased == 0; ++command) {
    command % 3 == 0 ? (void)offer(restless, --price) : tick();
  }
  EXPECT_EQ(next.leased, 1U) << "the freed node is never tested";
  restored();
}

TEST_F(FairTurnsTest, ANodeThatChangesWithoutEndIsTestedToTheEnd) {
  const std::uint64_t restless = node(provider_, 1'000);
  const Order& first = ask(other_, fmt::format("node={}", restless));
  crowd(40);
  const Order& last = ask(crowd_, fmt::format("node={}", restless));
  end(first);
  std::int64_t price = 1'000;
  for (int command = 0; command < 60 && last.leased == 0; ++command) {
    command % 3 == 0 ? (void)offer(restless, --price) : tick();
  }
  EXPECT_EQ(last.leased, 1U) << "whoever waits last is never tested";
}

TEST_F(FairTurnsTest, WhoComesDoesNotPassThoseWhoWaitForAFreedNode) {
  const std::uint64_t freed = node(provider_, 100);
  const Order& first = ask(crowd_, fmt::format("node={}", freed));
  crowd(40);
  const Order& waits = ask(crowd_, fmt::format("node={}", freed));
  end(first);
  ASSERT_EQ(waits.leased, 0U) << "it is not tested yet";
  const Order& newcomer = ask(crowd_, fmt::format("node={}", freed));
  EXPECT_EQ(newcomer.leased, 0U) << "others wait longer";
  restored();
  tick_all();
  EXPECT_EQ(waits.leased, 1U);
  EXPECT_EQ(newcomer.leased, 0U);
}

// Spot is there, though not yet. Who took that for no spot, and expects none in the next half hour,
// would have what costs five times as much for good.
TEST_F(FairTurnsTest, WhoHasADeadlineWaitsForThePlaceOnSpotThatIsTested) {
  change_policy([](v1::Policy& policy) { policy.set_price_interval_us(minutes(5).value); });
  crowd(40);
  for (const bool firm : {false, true}) {
    SCOPED_TRACE(firm);
    change_policy([&](v1::Policy& policy) { policy.set_firm_turns(firm); });
    const std::uint64_t plain = node(provider_, 1'000'000);
    tick_all();
    expect_no_spot(minutes(30));
    const std::uint64_t tested = spot_node(1'000'000, 200'000);
    const Order& order = ask_by(hours(2));
    EXPECT_EQ(order.leased, firm ? 0U : 1U);
    restored();
    tick_all();
    ASSERT_EQ(order.leased, 1U);
    EXPECT_EQ(lease_of(order).spot, firm);
    EXPECT_EQ(lease_of(order).node.value, firm ? tested : plain);
    // What is left is for nobody else.
    for (const std::uint64_t id : {plain, tested}) {
      v1::Command command;
      command.mutable_withdraw_offer()->set_node(id);
      ASSERT_EQ(refusal_of(command), v1::REFUSAL_UNSPECIFIED);
    }
  }
}

// Four minutes are left for waiting, and prices are looked at every five.
TEST_F(FairTurnsTest, WhoHasNoTimeToWaitForSpotDoesNot) {
  change_policy([](v1::Policy& policy) { policy.set_price_interval_us(minutes(5).value); });
  crowd(40);
  const std::uint64_t plain = node(provider_, 1'000'000);
  tick_all();
  spot_node(1'000'000, 200'000);
  const Order& order = ask_by(minutes(69));
  ASSERT_EQ(order.leased, 1U);
  EXPECT_FALSE(lease_of(order).spot);
  EXPECT_EQ(lease_of(order).node.value, plain);
}

// Quarters of one device follow each other, and never are all four free at once.
TEST_F(FairTurnsTest, AWholeDeviceDoesNotStarveBehindParts) {
  v1::Command parts;
  parts.mutable_set_offer()->set_node(node(provider_, 100));
  parts.mutable_set_offer()->set_device_hour_micros(100);
  parts.mutable_set_offer()->set_share_thousandths_min(1);
  ASSERT_EQ(refusal_of(parts), v1::REFUSAL_UNSPECIFIED);
  const auto quarter = [&]() -> const Order& {
    v1::Command command = submit(crowd_);
    command.mutable_submit_order()->mutable_requirements()->set_device_thousandths(250);
    const std::uint64_t id = next_id();
    EXPECT_EQ(refusal_of(command, crowd_), v1::REFUSAL_UNSPECIFIED);
    return *machine_.order(OrderId(id));
  };
  std::vector<const Order*> quarters;
  for (int i = 0; i < 4; ++i) quarters.push_back(&quarter());
  const Order& whole = ask(other_, "");
  EXPECT_EQ(whole.leased, 0U);
  for (const Order* const one : quarters) {
    ASSERT_EQ(one->leased, 1U);
    end(*one);
    if (whole.leased == 0) {
      EXPECT_EQ(quarter().leased, 0U) << "it would delay who waits longer";
    }
  }
  EXPECT_EQ(whole.leased, 1U);
}

Limits few_leases() {
  Limits limits;
  limits.leases_open_max = 4;
  limits.nodes_per_gang_max = 2;
  limits.matches_per_command_max = 4;
  return limits;
}

class FullMarketTest : public MachineTest {
 protected:
  FullMarketTest() : MachineTest(few_leases()) {}

  std::uint64_t ask(const std::string& query, std::uint32_t nodes = 1) {
    v1::Command command = submit(renter_, nodes);
    command.mutable_submit_order()->mutable_requirements()->set_query(query);
    command.mutable_submit_order()->mutable_requirements()->set_nodes(nodes);
    const std::uint64_t id = next_id();
    EXPECT_EQ(refusal_of(command, renter_), v1::REFUSAL_UNSPECIFIED);
    return id;
  }
  std::uint32_t leased(std::uint64_t order) { return machine_.order(OrderId(order))->leased; }
  bool is_pending() const {
    const auto next = machine_.next_deadline();
    return next && *next <= now_;
  }

  std::uint64_t renter_ = 0;
};

// Of those who wait only gangs need more than the one lease that there was room for.
TEST_F(FullMarketTest, AnEndedLeaseMakesOnlyGangsBeMatchedAnew) {
  v1::Command founding = test_found();
  v1::Policy& policy = *founding.mutable_found()->mutable_policy();
  policy.set_fair_turns(true);
  ASSERT_EQ(refusal_of(founding), v1::REFUSAL_UNSPECIFIED);
  const std::uint64_t provider = open(v1::PROVIDER);
  renter_ = open(v1::RENTER);
  deposit(renter_, 1'000'000'000);
  node(provider, 100, 3);
  for (int i = 0; i < 2; ++i) node(provider, 100);
  std::vector<std::uint64_t> running;
  for (int i = 0; i < 3; ++i) running.push_back(ask("num_gpus=3"));
  const std::uint64_t gang = ask("num_gpus=1", 2);
  EXPECT_EQ(leased(gang), 0U) << "the market has room for one lease more";
  v1::Command away;
  away.mutable_set_node_link()->set_node(node(provider, 100, 4));
  apply(away);
  for (int i = 0; i < 20; ++i) ask("num_gpus=4");
  v1::Command tick;
  tick.mutable_tick();
  for (int i = 0; i < 40 && is_pending(); ++i) apply(tick);
  ASSERT_FALSE(is_pending());

  const Lease& lease = *machine_.lease(machine_.order(OrderId(running[0]))->tasks[0].lease);
  v1::Command command;
  command.mutable_observe()->set_node(lease.node.value);
  v1::WorkloadReport& report = *command.mutable_observe()->add_workloads();
  report.set_lease(lease.id.value);
  report.set_state(v1::ENDED);
  report.set_reason(v1::COMPLETED);
  apply(command);
  EXPECT_EQ(leased(gang), 2U);
  EXPECT_FALSE(is_pending()) << "twenty orders are matched anew for nothing";
}

}  // namespace
}  // namespace fallow::core
