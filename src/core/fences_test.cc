// Fences through the machine: by whatever path a lease ends, its task is placed anew only when its
// former node says that nothing runs, or must have stopped it. See docs/fencing.md.
#include "core/retry.h"
#include "core/test_machine.h"

namespace fallow::core {
namespace {

class FencesTest : public MachineTest {
 protected:
  void SetUp() override {
    found();
    provider_ = open(v1::PROVIDER);
    renter_ = open(v1::RENTER);
    deposit(renter_, 1'000'000'000);
    first_ = node(provider_, 100);
    second_ = node(provider_, 100);
  }
  // On the first node, which has told of it.
  void begin(v1::LeaseState state = v1::RUNNING) {
    order_ = next_id();
    ASSERT_EQ(refusal_of(submit(renter_), renter_), v1::REFUSAL_UNSPECIFIED);
    lease_ = task().lease;
    ASSERT_EQ(lease().node.value, first_);
    if (state != v1::PLACED) observe(state);
  }
  void observe(v1::LeaseState state, v1::OwnerState owner = v1::OWNER_AWAY) {
    v1::Command command;
    command.mutable_observe()->set_node(first_);
    command.mutable_observe()->set_owner(owner);
    v1::WorkloadReport& report = *command.mutable_observe()->add_workloads();
    report.set_lease(lease_.value);
    report.set_state(state);
    apply(command);
  }
  void remove_first() {
    v1::Command command;
    command.mutable_remove_node()->set_node(first_);
    ASSERT_EQ(refusal_of(command, provider_), v1::REFUSAL_UNSPECIFIED);
  }
  void set_policy(Duration close_after, bool waits_for_fence) {
    v1::Command command;
    v1::Policy& policy = *command.mutable_set_policy()->mutable_policy();
    policy = machine_.policy();
    policy.set_suspend_after_us(close_after.value / 2);
    policy.set_close_after_us(close_after.value);
    policy.set_waits_for_fence(waits_for_fence);
    ASSERT_EQ(refusal_of(command), v1::REFUSAL_UNSPECIFIED);
  }
  // Every Tick that is due up to `at`.
  void ticks(Time at) {
    v1::Command tick;
    tick.mutable_tick();
    while (machine_.next_deadline() && *machine_.next_deadline() <= at) {
      now_ = std::max(now_, *machine_.next_deadline() - milliseconds(1));
      apply(tick);
    }
    now_ = std::max(now_, at);
  }
  // For so long the node is heard, says the same and does nothing else.
  void hears(Duration time, v1::LeaseState state, v1::OwnerState owner = v1::OWNER_AWAY) {
    for (const Time end = now_ + time; now_ < end;) {
      ticks(std::min(now_ + seconds(4), end));
      if (!is_open(lease())) return;
      observe(state, owner);
    }
  }
  const Lease& lease() { return *machine_.lease(lease_); }
  const Task& task() { return machine_.order(OrderId(order_))->tasks[0]; }
  // The lease has ended just now, and its task waits until the node's silence has lasted.
  void expect_to_wait(v1::EndReason reason) {
    ASSERT_EQ(lease().state, v1::ENDED);
    EXPECT_EQ(lease().reason, reason);
    ASSERT_EQ(task().state, v1::WAITING);
    const Time fence = lease().heard_at + seconds(30);
    ASSERT_GT(fence, now_) << "or nothing is tested";
    EXPECT_EQ(lease().fenced_at, fence);
    EXPECT_EQ(task().retry_at, fence);
    ticks(fence - milliseconds(2));
    EXPECT_EQ(task().state, v1::WAITING);
    ticks(fence);
    ASSERT_EQ(task().state, v1::LEASED);
    EXPECT_EQ(machine_.lease(task().lease)->node.value, second_);
  }
  void expect_no_wait(v1::EndReason reason) {
    ASSERT_EQ(lease().state, v1::ENDED);
    EXPECT_EQ(lease().reason, reason);
    EXPECT_EQ(lease().fenced_at.us, 0);
    ASSERT_EQ(task().state, v1::LEASED);
    EXPECT_EQ(machine_.lease(task().lease)->node.value, second_);
  }

  std::uint64_t provider_ = 0;
  std::uint64_t renter_ = 0;
  std::uint64_t first_ = 0;
  std::uint64_t second_ = 0;
  std::uint64_t order_ = 0;
  LeaseId lease_;
};

TEST_F(FencesTest, ANodeThatIsTakenAwayMayRunItUntilItsFence) {
  begin();
  now_ = now_ + seconds(5);
  remove_first();
  expect_to_wait(v1::NODE_WITHDRAWN);
}

// The reason that it was stopping for is then the reason of its end, but nobody has confirmed it.
TEST_F(FencesTest, ANodeThatIsTakenAwayWhileALeaseStops) {
  begin();
  hears(seconds(40), v1::RUNNING, v1::OWNER_PRESENT);
  ASSERT_EQ(lease().state, v1::STOPPING);
  remove_first();
  expect_to_wait(v1::OWNER_RETURNED);
}

TEST_F(FencesTest, ANodeThatStartsItTooLate) {
  begin(v1::STARTING);
  hears(minutes(16), v1::STARTING);
  expect_to_wait(v1::START_FAILED);
}

TEST_F(FencesTest, ANodeThatNeverConfirmsAStop) {
  begin();
  hears(minutes(3), v1::RUNNING, v1::OWNER_PRESENT);
  expect_to_wait(v1::OWNER_RETURNED);
}

// It has lost its records, and may have lost sight of the workload with them.
TEST_F(FencesTest, ANodeThatNamesItNoMore) {
  begin();
  now_ = now_ + seconds(5);
  v1::Command command;
  command.mutable_observe()->set_node(first_);
  command.mutable_observe()->set_desired_revision(machine_.node(NodeId(first_))->desired_revision);
  command.mutable_observe()->set_complete(true);
  apply(command);
  expect_to_wait(v1::WORKLOAD_LOST);
}

TEST_F(FencesTest, WhoWasSilentForTheTimeHasFenced) {
  begin();
  ticks(lease().heard_at + seconds(30) - milliseconds(2));
  EXPECT_EQ(lease().state, v1::SUSPENDED);
  ticks(lease().heard_at + seconds(30));
  expect_no_wait(v1::HOST_LOST);
}

TEST_F(FencesTest, WhoSaysThatItIsOverIsBelieved) {
  begin();
  v1::Command command;
  command.mutable_observe()->set_node(first_);
  v1::WorkloadReport& report = *command.mutable_observe()->add_workloads();
  report.set_lease(lease_.value);
  report.set_state(v1::ENDED);
  report.set_reason(v1::DEVICE_FAULT);
  apply(command);
  expect_no_wait(v1::DEVICE_FAULT);
}

// Nothing starts before a report that named it was acknowledged.
TEST_F(FencesTest, WhatNoReportHasNamedNeverBegan) {
  begin(v1::PLACED);
  remove_first();
  expect_no_wait(v1::NODE_WITHDRAWN);
}

TEST_F(FencesTest, ALeaseKeepsTheSilenceThatItWasPlacedWith) {
  begin();
  set_policy(seconds(10), true);
  EXPECT_EQ(lease().close_after, seconds(30));
  EXPECT_EQ(machine_.desired(NodeId(first_)).leases(0).close_after_us(), seconds(30).value);
  ticks(lease().heard_at + seconds(30) - milliseconds(2));
  EXPECT_EQ(lease().state, v1::SUSPENDED) << "its node lets it run for 25 s";
  ticks(lease().heard_at + seconds(30));
  expect_no_wait(v1::HOST_LOST);
  EXPECT_EQ(machine_.lease(task().lease)->close_after, seconds(10));
}

// Nobody knows for how long it was away, whatever the clocks of its machine say.
TEST_F(FencesTest, AMarketThatWasAwayWaitsAnew) {
  begin();
  remove_first();
  ASSERT_EQ(task().state, v1::WAITING);
  now_ = now_ + hours(1);
  v1::Command resume;
  resume.mutable_resume();
  apply(resume);
  ASSERT_EQ(task().state, v1::WAITING);
  EXPECT_EQ(task().retry_at, now_ + seconds(30));
  EXPECT_EQ(lease().fenced_at, now_ + seconds(30));
  // The other node, too, has to come back.
  v1::Command link;
  link.mutable_set_node_link()->set_node(second_);
  link.mutable_set_node_link()->set_connected(true);
  apply(link);
  EXPECT_EQ(task().state, v1::WAITING);
  ticks(task().retry_at);
  EXPECT_EQ(task().state, v1::LEASED);
}

TEST_F(FencesTest, AGangWaitsForEveryFence) {
  order_ = next_id();
  v1::Command command = submit(renter_, 2);
  command.mutable_submit_order()->mutable_requirements()->set_nodes(2);
  ASSERT_EQ(refusal_of(command, renter_), v1::REFUSAL_UNSPECIFIED);
  node(provider_, 100);
  const Order& order = *machine_.order(OrderId(order_));
  LeaseId of_first = order.tasks[0].lease;
  LeaseId of_second = order.tasks[1].lease;
  if (machine_.lease(of_first)->node.value != first_) std::swap(of_first, of_second);
  lease_ = of_first;
  observe(v1::RUNNING);
  remove_first();
  ASSERT_EQ(machine_.lease(of_second)->stop_reason, v1::GANG_LOST);
  v1::Command ended;
  ended.mutable_observe()->set_node(second_);
  v1::WorkloadReport& report = *ended.mutable_observe()->add_workloads();
  report.set_lease(of_second.value);
  report.set_state(v1::ENDED);
  report.set_reason(v1::WORKLOAD_LOST);
  apply(ended);
  EXPECT_EQ(order.waiting, 2U);
  ticks(lease().heard_at + seconds(30) - milliseconds(2));
  EXPECT_EQ(order.waiting, 2U);
  ticks(lease().heard_at + seconds(30));
  EXPECT_EQ(order.leased, 2U);
}

// A market that is older than the rule, until its operator lays it down: its log means what it did.
TEST_F(FencesTest, WithoutTheRuleNobodyWaits) {
  set_policy(seconds(30), false);
  begin();
  EXPECT_EQ(lease().close_after.value, 0);
  EXPECT_EQ(machine_.desired(NodeId(first_)).leases(0).close_after_us(), 0);
  remove_first();
  expect_no_wait(v1::NODE_WITHDRAWN);
}

}  // namespace
}  // namespace fallow::core
