#include "core/extension.h"

#include <algorithm>
#include <limits>
#include <string>

#include "core/test_machine.h"

namespace fallow::core {
namespace {

constexpr std::int64_t kMicroASecond = 3'600;  // the price of an hour

class ExtensionTest : public MachineTest {
 protected:
  ExtensionTest() = default;
  explicit ExtensionTest(const Limits& limits) : MachineTest(limits) {}

  void SetUp() override {
    found();
    provider_ = open(v1::PROVIDER);
    renter_ = open(v1::RENTER);
    deposit(renter_, 1'000'000'000);
    node_ = node(provider_, 1'000 * kMicroASecond);
  }

  v1::Command order_for(Duration time, std::uint32_t tasks = 1) {
    v1::Command command = submit(renter_, tasks);
    command.mutable_submit_order()->mutable_requirements()->set_duration_us(time.value);
    return command;
  }
  std::uint64_t accepted(const v1::Command& command) {
    const std::uint64_t id = next_id();
    EXPECT_EQ(refusal_of(command, renter_), v1::REFUSAL_UNSPECIFIED);
    return id;
  }
  v1::Refusal extend(std::uint64_t order, Duration more) { return extend(order, more, renter_); }
  v1::Refusal extend(std::uint64_t order, Duration more, std::uint64_t actor) {
    v1::Command command;
    command.mutable_extend_order()->set_order(order);
    command.mutable_extend_order()->set_more_us(more.value);
    return refusal_of(command, actor);
  }
  // What the refusal just told offers instead; empty: nothing.
  std::string would_do() const {
    const auto& told = events_.at(0).refused().relaxations();
    return told.empty() ? "" : told[0].change();
  }
  const Order& order(std::uint64_t id) const { return *machine_.order(OrderId(id)); }
  const Lease& lease(std::uint64_t id, std::size_t task = 0) const {
    return *machine_.lease(order(id).tasks[task].lease);
  }
  std::uint64_t revision() const { return machine_.node(NodeId(node_))->desired_revision; }
  // The node's word of the lease after `proven` of running time in all, as of a desired set.
  void report(const Lease& bound, Duration proven, v1::EndReason ending, std::uint64_t acted_on) {
    now_ = std::max(now_, bound.placed_at + proven);
    v1::Command command;
    v1::Observe& said = *command.mutable_observe();
    said.set_node(bound.node.value);
    said.set_desired_revision(acted_on);
    v1::WorkloadReport& workload = *said.add_workloads();
    workload.set_lease(bound.id.value);
    workload.set_state(ending == v1::END_REASON_UNSPECIFIED ? v1::RUNNING : v1::ENDED);
    workload.set_reason(ending);
    v1::MeterRecord& meter = *workload.add_meters();
    meter.set_lease(bound.id.value);
    meter.set_sequence(bound.meter_sequence + 1);
    meter.set_running_us(proven.value);
    apply(command);
  }
  void runs(const Lease& bound, Duration proven) {
    report(bound, proven, v1::END_REASON_UNSPECIFIED, revision());
  }
  void set_longest(Duration longest) {
    v1::Command command;
    command.mutable_set_offer()->set_node(node_);
    command.mutable_set_offer()->set_device_hour_micros(1'000 * kMicroASecond);
    command.mutable_set_offer()->set_duration_us_max(longest.value);
    ASSERT_EQ(refusal_of(command), v1::REFUSAL_UNSPECIFIED);
  }

  std::uint64_t provider_ = 0;
  std::uint64_t renter_ = 0;
  std::uint64_t node_ = 0;
};

TEST_F(ExtensionTest, TheNodeIsToldAndTheHoldPaysForIt) {
  const std::uint64_t id = accepted(order_for(hours(1)));
  const std::uint64_t before = revision();
  ASSERT_EQ(extend(id, hours(2)), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(revision(), before + 1);
  EXPECT_EQ(machine_.desired(NodeId(node_)).leases(0).time_us_max(), hours(3).value);
  EXPECT_EQ(lease(id).hold, Micros(3 * 1'000 * kMicroASecond));
  EXPECT_EQ(order(id).budget, lease(id).hold);
  EXPECT_EQ(order(id).requirements.duration_us(), hours(3).value);
  runs(lease(id), hours(2));
  EXPECT_EQ(lease(id).state, v1::RUNNING);
  runs(lease(id), hours(3));
  EXPECT_EQ(lease(id).stop_reason, v1::TIME_LIMIT);
  EXPECT_EQ(extend(id, hours(1)), v1::ALREADY_ENDED);
}

TEST_F(ExtensionTest, AReadingIsWhatTheCommandThenDoes) {
  const std::uint64_t id = accepted(order_for(hours(1)));
  const auto read = machine_.extension(order(id), minutes(90));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->tasks, 1U);
  EXPECT_EQ(read->task_hour, Micros(1'000 * kMicroASecond));
  const Micros before = order(id).budget;
  ASSERT_EQ(extend(id, minutes(90)), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(order(id).budget - before, read->cost);
}

// Prices and times that no micro is a whole part of: what is held never falls short.
TEST_F(ExtensionTest, NothingIsShortOfAMicro) {
  ASSERT_EQ(offer(node_, 333'333), v1::REFUSAL_UNSPECIFIED);
  const std::uint64_t id = accepted(order_for(Duration(1'234'567'891)));
  for (std::int64_t more = 1'000'001; more < 5'000'000'000; more = more * 3 + 1) {
    ASSERT_EQ(extend(id, Duration(more)), v1::REFUSAL_UNSPECIFIED);  // with check_invariants()
    EXPECT_LE(order(id).assigned, order(id).held);
  }
  runs(lease(id), lease(id).time_max);
  EXPECT_EQ(lease(id).charged, lease(id).hold);
}

TEST_F(ExtensionTest, WhatTheBudgetHadCutIsSoMuchLonger) {
  v1::Command command = order_for(hours(2));
  command.mutable_submit_order()->set_budget_micros_max(500 * kMicroASecond);
  const std::uint64_t id = accepted(command);
  ASSERT_EQ(lease(id).time_max, minutes(30));
  ASSERT_EQ(extend(id, hours(1)), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(lease(id).time_max, minutes(90));
  runs(lease(id), minutes(90));
  EXPECT_EQ(lease(id).stop_reason, v1::FUNDS);
}

TEST_F(ExtensionTest, ANodeThatHadNotHeardOfItIsNotToBlame) {
  for (const bool heard : {false, true}) {
    const std::uint64_t id = accepted(order_for(hours(1)));
    const std::uint64_t before = revision();
    ASSERT_EQ(extend(id, hours(1)), v1::REFUSAL_UNSPECIFIED);
    ASSERT_EQ(extend(id, hours(1)), v1::REFUSAL_UNSPECIFIED);
    report(lease(id), minutes(30), v1::END_REASON_UNSPECIFIED, heard ? revision() : before);
    report(lease(id), hours(1), v1::TIME_LIMIT, heard ? revision() : before);
    const Lease& ended = *machine_.lease(order(id).leases.front());
    EXPECT_EQ(ended.reason, heard ? v1::WORKLOAD_LOST : v1::TIME_LIMIT);
    v1::Command stop;
    stop.mutable_stop_order()->set_order(id);
    apply(stop, renter_);
    if (heard) report(lease(id), Duration(0), v1::STOPPED, revision());
  }
}

// It was about to stop it when it heard.
TEST_F(ExtensionTest, WhoHearsOfItTooLateIsNotToBlame) {
  const std::uint64_t id = accepted(order_for(hours(1)));
  runs(lease(id), hours(1) - seconds(2));
  ASSERT_EQ(extend(id, hours(1)), v1::REFUSAL_UNSPECIFIED);
  runs(lease(id), hours(1) - seconds(1));
  report(lease(id), hours(1), v1::TIME_LIMIT, revision());
  EXPECT_EQ(lease(id).reason, v1::TIME_LIMIT);
  const std::uint64_t other = accepted(order_for(hours(1)));
  runs(lease(other), hours(1) - seconds(2));
  ASSERT_EQ(extend(other, hours(1)), v1::REFUSAL_UNSPECIFIED);
  runs(lease(other), hours(1) + seconds(1));  // it went on: from now on it knows
  report(lease(other), hours(1) + seconds(2), v1::TIME_LIMIT, revision());
  EXPECT_EQ(machine_.lease(order(other).leases.front())->reason, v1::WORKLOAD_LOST);
}

TEST_F(ExtensionTest, TasksThatWaitTakeNoLongerThanSomeOfferDoes) {
  set_longest(hours(3));
  accepted(order_for(hours(1)));  // it has the only device
  const std::uint64_t id = accepted(order_for(hours(1)));
  ASSERT_EQ(order(id).waiting, 1U);
  EXPECT_EQ(extend(id, hours(5)), v1::NO_MATCH);
  EXPECT_EQ(would_do(), "lower hours to 2");
  EXPECT_EQ(extend(id, hours(2)), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(order(id).demand.requirements.duration_us(), hours(3).value);
}

TEST_F(ExtensionTest, TheDeadlineStays) {
  v1::Command command = order_for(hours(1));
  command.mutable_submit_order()->set_restart_us(minutes(5).value);
  command.mutable_submit_order()->set_deadline_after_us(hours(2).value);
  const std::uint64_t id = accepted(command);
  EXPECT_EQ(extend(id, hours(1)), v1::VALUE_INVALID);
  EXPECT_EQ(extend(id, minutes(54)), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(extend(id, minutes(1)), v1::VALUE_INVALID);
}

TEST_F(ExtensionTest, WhatIsAddedInALaterMonthComesBackToThatOne) {
  const std::uint64_t id = accepted(order_for(hours(1)));
  now_ = now_ + hours(24 * 32);
  ASSERT_EQ(extend(id, hours(2)), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(machine_.account(AccountId(renter_))->month_used, Micros(2'000 * kMicroASecond));
  report(lease(id), hours(2), v1::COMPLETED, revision());
  // One of three hours is left over: it was counted in this month.
  EXPECT_EQ(machine_.account(AccountId(renter_))->month_used, Micros(1'000 * kMicroASecond));
  EXPECT_EQ(machine_.account(AccountId(renter_))->total.used, Micros(2'000 * kMicroASecond));
}

TEST_F(ExtensionTest, WhatCostsNothingCostsNothingMore) {
  ASSERT_EQ(offer(node_, 0), v1::REFUSAL_UNSPECIFIED);
  const std::uint64_t poor = open(v1::RENTER);
  const std::uint64_t id = next_id();
  ASSERT_EQ(refusal_of(submit(poor), poor), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(extend(id, hours(10), poor), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(order(id).budget, Micros(0));
}

TEST_F(ExtensionTest, FundsLimitItToWhatTheyPayFor) {
  const std::uint64_t poor = open(v1::RENTER);
  deposit(poor, 2'500 * kMicroASecond);
  const std::uint64_t id = next_id();
  ASSERT_EQ(refusal_of(submit(poor), poor), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(extend(id, hours(2), poor), v1::NO_FUNDS);
  EXPECT_EQ(would_do(), "lower hours to 1.5");
  EXPECT_EQ(extend(id, minutes(90), poor), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(extend(id, hours(2), poor), v1::NO_FUNDS);
  EXPECT_EQ(would_do(), "");
}

// A gang that is tried again is so with those that were done: they are paid for, too.
TEST_F(ExtensionTest, AllOfAGangIsPaidFor) {
  node(provider_, 1'000 * kMicroASecond);
  v1::Command command = order_for(hours(1), 2);
  command.mutable_submit_order()->mutable_requirements()->set_nodes(2);
  const std::uint64_t id = accepted(command);
  report(lease(id, 1), minutes(1), v1::COMPLETED, 9);
  ASSERT_EQ(order(id).done, 1U);
  const Micros before = order(id).budget;
  ASSERT_EQ(extend(id, hours(1)), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(order(id).budget - before, Micros(2 * 1'000 * kMicroASecond));
}

TEST_F(ExtensionTest, LessThanASecondIsNoTime) {
  const std::uint64_t id = accepted(order_for(hours(1)));
  EXPECT_EQ(extend(id, seconds(1) - Duration(1)), v1::VALUE_INVALID);
  EXPECT_EQ(extend(id, seconds(1)), v1::REFUSAL_UNSPECIFIED);
  change_policy([](v1::Policy& policy) { policy.set_firm_turns(false); });
  EXPECT_EQ(extend(id, Duration(1)), v1::REFUSAL_UNSPECIFIED);
}

Limits few_extensions() {
  Limits limits;
  limits.extensions_per_command_max = 2;
  return limits;
}

class FewExtensionsTest : public ExtensionTest {
 protected:
  FewExtensionsTest() : ExtensionTest(few_extensions()) {}
};

TEST_F(FewExtensionsTest, OneCommandExtendsNoMoreLeases) {
  node(provider_, 1'000 * kMicroASecond, 3);
  const std::uint64_t id = accepted(order_for(hours(1), 3));
  ASSERT_EQ(order(id).leased, 3U);
  EXPECT_EQ(extend(id, hours(1)), v1::LIMIT_REACHED);
  EXPECT_EQ(machine_.extension(order(id), hours(1)).error().code, v1::LIMIT_REACHED);
  report(lease(id), minutes(1), v1::COMPLETED, revision());
  EXPECT_EQ(extend(id, hours(1)), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(lease(id, 1).time_max, hours(2));
  EXPECT_EQ(lease(id, 2).time_max, hours(2));
}

TEST_F(FewExtensionsTest, AMarketOfBeforeTheRuleExtendsAll) {
  change_policy([](v1::Policy& policy) { policy.set_firm_turns(false); });
  node(provider_, 1'000 * kMicroASecond, 3);
  const std::uint64_t id = accepted(order_for(hours(1), 3));
  EXPECT_EQ(extend(id, hours(1)), v1::REFUSAL_UNSPECIFIED);
}

TEST_F(ExtensionTest, WhoeverMayNotAndWhateverCannotBe) {
  const std::uint64_t id = accepted(order_for(hours(1)));
  EXPECT_EQ(extend(id, hours(1), open(v1::RENTER)), v1::NOT_ALLOWED);
  EXPECT_EQ(extend(id + 1, hours(1)), v1::NOT_FOUND);
  for (const std::int64_t more :
       {std::int64_t{0}, std::int64_t{-1}, hours(24 * 366).value,
        std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()}) {
    EXPECT_NE(extend(id, Duration(more)), v1::REFUSAL_UNSPECIFIED) << more;
  }
  v1::Command stop;
  stop.mutable_stop_order()->set_order(id);
  apply(stop, renter_);
  EXPECT_EQ(extend(id, hours(1)), v1::ALREADY_ENDED);
  report(lease(id), Duration(0), v1::STOPPED, revision());
  EXPECT_EQ(extend(id, hours(1)), v1::ALREADY_ENDED);
}

}  // namespace
}  // namespace fallow::core
