// Retries through the machine: at once elsewhere, then later and later, never for ever.
#include "core/retry.h"

#include "core/test_machine.h"
#include "core/waits_for.h"

namespace fallow::core {
namespace {

class RetryTest : public MachineTest {
 protected:
  void SetUp() override {
    found();
    provider_ = open(v1::PROVIDER);
    renter_ = open(v1::RENTER);
    deposit(renter_, 1'000'000'000);
    set_delays(seconds(10), seconds(25));
  }
  void set_delays(Duration first, Duration most) {
    v1::Command command;
    v1::Policy& policy = *command.mutable_set_policy()->mutable_policy();
    policy = test_found().found().policy();
    policy.set_attempts_max(6);
    policy.set_retry_delay_us(first.value);
    policy.set_retry_delay_us_max(most.value);
    ASSERT_EQ(refusal_of(command), v1::REFUSAL_UNSPECIFIED);
  }
  std::uint64_t job(std::uint32_t tasks = 1, std::uint32_t nodes = 1) {
    v1::Command command = submit(renter_, tasks);
    command.mutable_submit_order()->mutable_requirements()->set_nodes(nodes);
    const std::uint64_t id = next_id();
    EXPECT_EQ(refusal_of(command, renter_), v1::REFUSAL_UNSPECIFIED);
    return id;
  }
  const Order& order(std::uint64_t id) { return *machine_.order(OrderId(id)); }
  const Task& task(std::uint64_t id, std::size_t at = 0) { return order(id).tasks[at]; }
  void report(LeaseId id, v1::LeaseState state, v1::EndReason reason = v1::END_REASON_UNSPECIFIED) {
    v1::Command command;
    const Lease& lease = *machine_.lease(id);
    command.mutable_observe()->set_node(lease.node.value);
    v1::WorkloadReport& report = *command.mutable_observe()->add_workloads();
    report.set_lease(id.value);
    report.set_state(state);
    report.set_reason(reason);
    apply(command);
  }
  void end(LeaseId id, v1::EndReason reason) { report(id, v1::ENDED, reason); }
  // Every Tick that is due up to `at`.
  void ticks(Time at) {
    v1::Command tick;
    tick.mutable_tick();
    while (machine_.next_deadline() && *machine_.next_deadline() <= at) {
      now_ = std::max(now_, *machine_.next_deadline()) - milliseconds(1);
      apply(tick);
    }
    now_ = std::max(now_, at);
  }

  std::uint64_t provider_ = 0;
  std::uint64_t renter_ = 0;
};

TEST_F(RetryTest, WaitsForTwiceAsLongEachTimeUpToTheLongest) {
  node(provider_, 100);
  node(provider_, 100);
  const std::uint64_t id = job();
  const LeaseId first = task(id).lease;
  end(first, v1::START_FAILED);
  EXPECT_EQ(task(id).state, v1::LEASED);  // at once, elsewhere
  EXPECT_NE(machine_.lease(task(id).lease)->node, machine_.lease(first)->node);

  for (const std::int64_t delay_s : {10, 20, 25, 25}) {
    ASSERT_EQ(task(id).state, v1::LEASED);
    end(task(id).lease, v1::START_FAILED);
    ASSERT_EQ(task(id).state, v1::WAITING);
    EXPECT_EQ(task(id).retry_at, now_ + seconds(delay_s));
    EXPECT_EQ(events_.back().task_changed().retry_at_us(), task(id).retry_at.us);
    EXPECT_EQ(order(id).turn, 0U);
    EXPECT_EQ(machine_.waits_for(order(id))->reason, v1::WAITS_TO_RETRY);
    EXPECT_EQ(machine_.waits_for(order(id))->retry_at, task(id).retry_at);
    const Time due = task(id).retry_at;
    ticks(due - milliseconds(2));
    EXPECT_EQ(task(id).state, v1::WAITING);
    ticks(due);
    EXPECT_EQ(task(id).retry_at.us, 0);
  }
  end(task(id).lease, v1::START_FAILED);  // the sixth and last
  EXPECT_EQ(order(id).state, v1::ORDER_FAILED);
}

TEST_F(RetryTest, OthersOfTheJobDoNotWait) {
  node(provider_, 100);
  const std::uint64_t id = job(3);
  end(task(id).lease, v1::START_FAILED);
  end(task(id).lease, v1::START_FAILED);
  EXPECT_EQ(task(id, 0).state, v1::WAITING);
  EXPECT_EQ(task(id, 1).state, v1::LEASED);
  end(task(id, 1).lease, v1::COMPLETED);
  EXPECT_EQ(task(id, 2).state, v1::LEASED);
  end(task(id, 2).lease, v1::COMPLETED);
  EXPECT_EQ(machine_.counts().leases_open, 0U);
  ticks(now_ + seconds(10));
  EXPECT_EQ(task(id, 0).state, v1::LEASED);
}

// The task moves on as soon as its host is known to be gone, however often that happens.
TEST_F(RetryTest, WhatSaysNothingOfTheTaskDelaysNothingAndCountsNot) {
  node(provider_, 100);
  const std::uint64_t id = job();
  for (const v1::EndReason reason : {v1::HOST_LOST, v1::OWNER_RETURNED, v1::HOST_LOST}) {
    end(task(id).lease, reason);
    ASSERT_EQ(task(id).state, v1::LEASED) << reason;
  }
  EXPECT_EQ(task(id).failures, 0U);
  end(task(id).lease, v1::WORKLOAD_LOST);
  EXPECT_EQ(task(id).state, v1::LEASED) << "the first of its failures";
  end(task(id).lease, v1::DEVICE_FAULT);
  EXPECT_EQ(task(id).retry_at, now_ + seconds(10)) << "the second";
}

TEST_F(RetryTest, AllIsTriedAtOnceWithoutTheRule) {
  set_delays(Duration(0), Duration(0));
  node(provider_, 100);
  const std::uint64_t id = job();
  for (int i = 0; i < 4; ++i) {
    end(task(id).lease, v1::START_FAILED);
    ASSERT_EQ(task(id).state, v1::LEASED);
  }
}

TEST_F(RetryTest, AStopEndsTheDelay) {
  node(provider_, 100);
  const std::uint64_t id = job();
  end(task(id).lease, v1::START_FAILED);
  end(task(id).lease, v1::START_FAILED);
  ASSERT_GT(task(id).retry_at.us, 0);
  v1::Command stop;
  stop.mutable_stop_order()->set_order(id);
  EXPECT_EQ(refusal_of(stop, renter_), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(order(id).state, v1::ORDER_STOPPED);
  ticks(now_ + hours(1));
}

TEST_F(RetryTest, AGangWaitsForItsLast) {
  node(provider_, 100);
  node(provider_, 200);
  const std::uint64_t id = job(2, 2);
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(order(id).leased, 2U);
    const LeaseId other = task(id, 1).lease;
    end(task(id, 0).lease, v1::START_FAILED);
    if (is_open(*machine_.lease(other))) end(other, v1::STOPPED);
  }
  EXPECT_EQ(order(id).waiting, 2U);
  EXPECT_EQ(order(id).delayed, 1U);
  EXPECT_EQ(machine_.waits_for(order(id))->reason, v1::WAITS_TO_RETRY);
  EXPECT_EQ(machine_.waits_for(order(id))->retry_at, task(id, 0).retry_at);
  ticks(now_ + seconds(25));
  EXPECT_EQ(order(id).leased, 2U);
}

TEST_F(RetryTest, ASnapshotKeepsWhoIsDelayed) {
  node(provider_, 100);
  const std::uint64_t id = job(2);
  end(task(id).lease, v1::START_FAILED);
  end(task(id).lease, v1::START_FAILED);
  ASSERT_GT(task(id).retry_at.us, 0);
  std::string bytes;
  machine_.snapshot([&](std::string_view piece) { bytes += piece; });
  Machine twin;
  std::string_view rest = bytes;
  ASSERT_TRUE(twin.restore([&](char* to, std::size_t size) -> Result<std::size_t> {
    const std::size_t piece = rest.copy(to, size);
    rest.remove_prefix(piece);
    return piece;
  }));
  twin.check_invariants();
  EXPECT_EQ(twin.digest(), machine_.digest());
  EXPECT_EQ(twin.next_deadline(), machine_.next_deadline());
  EXPECT_EQ(twin.order(OrderId(id))->delayed, 1U);
}

TEST_F(RetryTest, SaysWhatAJobWaitsFor) {
  const std::uint64_t cheap = node(provider_, 100);
  node(provider_, 500);
  const std::uint64_t id = job();
  EXPECT_FALSE(machine_.waits_for(order(id)));
  v1::Command down;
  down.mutable_set_node_link()->set_node(cheap);
  apply(down);
  end(task(id).lease, v1::HOST_LOST);
  ASSERT_EQ(task(id).state, v1::WAITING);
  // A retry never costs more than was quoted.
  const auto price = machine_.waits_for(order(id));
  EXPECT_EQ(price->reason, v1::WAITS_FOR_PRICE);
  EXPECT_EQ(price->rate_hour_max, Micros(100));
  EXPECT_EQ(price->rate_hour_free, Micros(500));
  // Somebody takes the dear one: nothing is free.
  v1::Command other = submit(renter_);
  EXPECT_EQ(refusal_of(other, renter_), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(machine_.waits_for(order(id))->reason, v1::WAITS_FOR_NODE);
}

void begins_once(v1::Command& submit) {
  submit.mutable_submit_order()->mutable_workload()->set_no_restart(true);
}

TEST_F(RetryTest, WhatIsNotToBeBegunAgainIsPlacedUntilItRan) {
  node(provider_, 100);
  node(provider_, 100);
  v1::Command command = submit(renter_);
  begins_once(command);
  const std::uint64_t id = next_id();
  ASSERT_EQ(refusal_of(command, renter_), v1::REFUSAL_UNSPECIFIED);
  end(task(id).lease, v1::START_FAILED);
  ASSERT_EQ(task(id).state, v1::LEASED) << "it never ran";
  report(task(id).lease, v1::RUNNING);
  end(task(id).lease, v1::HOST_LOST);
  EXPECT_EQ(task(id).state, v1::FAILED);
  EXPECT_EQ(order(id).state, v1::ORDER_FAILED);
  EXPECT_EQ(order(id).charged, Micros(0));
}

TEST_F(RetryTest, AGangOfWhichOneRanIsNotBegunAgain) {
  for (int i = 0; i < 4; ++i) node(provider_, 100);
  v1::Command command = submit(renter_, 2);
  begins_once(command);
  command.mutable_submit_order()->mutable_requirements()->set_nodes(2);
  const std::uint64_t id = next_id();
  ASSERT_EQ(refusal_of(command, renter_), v1::REFUSAL_UNSPECIFIED);
  end(task(id, 0).lease, v1::START_FAILED);
  end(task(id, 1).lease, v1::STOPPED);
  ASSERT_EQ(task(id, 0).state, v1::LEASED) << "none of them ran";
  ASSERT_EQ(task(id, 1).state, v1::LEASED);
  report(task(id, 0).lease, v1::RUNNING);
  end(task(id, 1).lease, v1::DEVICE_FAULT);
  end(task(id, 0).lease, v1::STOPPED);
  EXPECT_EQ(order(id).state, v1::ORDER_FAILED);
}

TEST_F(RetryTest, WhatIsSaidToRunWhileItStopsIsNotBegunAgain) {
  for (int i = 0; i < 4; ++i) node(provider_, 100);
  v1::Command command = submit(renter_, 2);
  begins_once(command);
  command.mutable_submit_order()->mutable_requirements()->set_nodes(2);
  const std::uint64_t id = next_id();
  ASSERT_EQ(refusal_of(command, renter_), v1::REFUSAL_UNSPECIFIED);
  end(task(id, 0).lease, v1::START_FAILED);
  ASSERT_EQ(machine_.lease(task(id, 1).lease)->state, v1::STOPPING);
  report(task(id, 1).lease, v1::RUNNING);
  end(task(id, 1).lease, v1::STOPPED);
  EXPECT_EQ(order(id).state, v1::ORDER_FAILED);
}

}  // namespace
}  // namespace fallow::core
