// Gangs through the machine: all or none, the retry as a whole, and that big orders do not starve.
#include "core/gangs.h"

#include <set>

#include "core/test_machine.h"

namespace fallow::core {
namespace {

class GangTest : public MachineTest {
 protected:
  void SetUp() override {
    found();
    provider_ = open(v1::PROVIDER);
    big_ = open(v1::RENTER);
    small_ = open(v1::RENTER);
    deposit(big_, 1'000'000'000);
    deposit(small_, 1'000'000'000);
  }

  std::uint64_t gang(std::uint32_t nodes, std::uint32_t gangs = 1, std::uint32_t gpus = 1) {
    v1::Command command = submit(big_, nodes * gangs);
    command.mutable_submit_order()->mutable_requirements()->set_nodes(nodes);
    command.mutable_submit_order()->mutable_requirements()->set_gpus(gpus);
    const std::uint64_t id = next_id();
    EXPECT_EQ(refusal_of(command, big_), v1::REFUSAL_UNSPECIFIED);
    return id;
  }
  std::uint64_t one(Duration time) {
    v1::Command command = submit(small_);
    command.mutable_submit_order()->mutable_requirements()->set_duration_us(time.value);
    const std::uint64_t id = next_id();
    EXPECT_EQ(refusal_of(command, small_), v1::REFUSAL_UNSPECIFIED);
    return id;
  }
  const Order& order(std::uint64_t id) { return *machine_.order(OrderId(id)); }
  const Lease& lease(std::uint64_t id, std::size_t task) {
    return *machine_.lease(order(id).tasks[task].lease);
  }

  // The node says how the lease stands, and that it has run all the time since it was placed.
  void report(const Lease& lease, v1::EndReason ending) {
    v1::Command command;
    command.mutable_observe()->set_node(lease.node.value);
    v1::WorkloadReport& told = *command.mutable_observe()->add_workloads();
    told.set_lease(lease.id.value);
    told.set_state(ending == v1::END_REASON_UNSPECIFIED ? v1::RUNNING : v1::ENDED);
    told.set_reason(ending);
    if (ending == v1::EXIT_CODE) told.set_exit_code(1);
    v1::MeterRecord& meter = *told.add_meters();
    meter.set_lease(lease.id.value);
    meter.set_sequence(lease.meter_sequence + 1);
    meter.set_running_us(std::min(now_ - lease.placed_at, lease.time_max).value);
    apply(command);
  }
  // All open leases run; those whose time is up end.
  void run(Duration time) {
    now_ = now_ + time;
    std::vector<LeaseId> open;
    machine_.visit_leases_newest(LeaseId(0), [&](const Lease& lease) {
      if (is_open(lease)) open.push_back(lease.id);
      return true;
    });
    for (const LeaseId id : open) {
      const Lease& running = *machine_.lease(id);
      if (!is_open(running)) continue;
      const bool over = now_ - running.placed_at >= running.time_max;
      report(running, over ? v1::COMPLETED : v1::END_REASON_UNSPECIFIED);
    }
  }

  std::uint64_t provider_ = 0;
  std::uint64_t big_ = 0;
  std::uint64_t small_ = 0;
};

TEST_F(GangTest, IsPlacedAllOrNotAtAllOnNodesOfItsOwn) {
  node(provider_, 100, 4);
  node(provider_, 200, 4);
  v1::Command command = submit(big_, 3);
  command.mutable_submit_order()->mutable_requirements()->set_nodes(3);
  EXPECT_EQ(refusal_of(command, big_), v1::NO_MATCH);
  ASSERT_EQ(events_[0].refused().relaxations_size(), 1);
  EXPECT_EQ(events_[0].refused().relaxations(0).change(), "lower nodes to 2");
  node(provider_, 300);
  EXPECT_EQ(refusal_of(command, big_), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(machine_.counts().leases_open, 3U);
}

TEST_F(GangTest, SeveralGangsOfAnOrderShareNodesButNoneOfThemItsOwn) {
  const std::uint64_t a = node(provider_, 100, 2);
  const std::uint64_t b = node(provider_, 200, 2);
  const std::uint64_t id = gang(2, 3);
  EXPECT_EQ(order(id).leased, 4U);
  EXPECT_EQ(order(id).waiting, 2U);
  for (const std::size_t first : {0U, 2U}) {
    const std::set<std::uint64_t> nodes{lease(id, first).node.value,
                                        lease(id, first + 1).node.value};
    EXPECT_EQ(nodes, (std::set<std::uint64_t>{a, b}));
  }
  // One member less of the first gang makes no room for the third: it takes a node of each.
  report(lease(id, 0), v1::COMPLETED);
  EXPECT_EQ(order(id).waiting, 2U);
  report(lease(id, 1), v1::COMPLETED);
  EXPECT_EQ(order(id).leased, 4U);
  EXPECT_EQ(order(id).done, 2U);
}

TEST_F(GangTest, AMemberThatWasDoneRunsAgainWithTheOthers) {
  for (int i = 0; i < 3; ++i) node(provider_, 100);
  const std::uint64_t id = gang(3);
  now_ = now_ + minutes(1);
  report(lease(id, 0), v1::COMPLETED);
  report(lease(id, 1), v1::DEVICE_FAULT);
  EXPECT_EQ(order(id).done, 1U);
  EXPECT_EQ(lease(id, 2).stop_reason, v1::GANG_LOST);
  report(lease(id, 2), v1::STOPPED);
  EXPECT_EQ(order(id).done, 0U);
  EXPECT_EQ(order(id).leased, 3U);
  for (std::size_t task = 0; task < 3; ++task) EXPECT_EQ(order(id).tasks[task].attempts, 2U);
}

TEST_F(GangTest, AttemptsAreTheGangs) {
  for (int i = 0; i < 2; ++i) node(provider_, 100);
  const std::uint64_t id = gang(2);
  const std::uint32_t attempts = order(id).attempts_max;
  for (std::uint32_t attempt = 1; attempt <= attempts; ++attempt) {
    ASSERT_EQ(order(id).state, v1::OPEN) << attempt;
    report(lease(id, attempt % 2), v1::DEVICE_FAULT);
    report(lease(id, 1 - attempt % 2), v1::STOPPED);
  }
  EXPECT_EQ(order(id).state, v1::ORDER_FAILED);
  EXPECT_EQ(order(id).charged, Micros(0)) << "one provider lost it all, and gives all of it back";
}

TEST_F(GangTest, WhatTheRenterStopsStopsAsAWhole) {
  for (int i = 0; i < 2; ++i) node(provider_, 100);
  const std::uint64_t id = gang(2);
  v1::Command stop;
  stop.mutable_stop_lease()->set_lease(lease(id, 1).id.value);
  ASSERT_EQ(refusal_of(stop, big_), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(lease(id, 0).stop_reason, v1::STOPPED);
  report(lease(id, 0), v1::STOPPED);
  report(lease(id, 1), v1::STOPPED);
  EXPECT_EQ(order(id).state, v1::ORDER_STOPPED);
}

// Small orders never cease to come, each as soon as there is room: without a reservation two nodes
// are never free at once.
TEST_F(GangTest, DoesNotStarveBehindSmallOrders) {
  for (int i = 0; i < 4; ++i) node(provider_, 100);
  for (int i = 0; i < 6; ++i) {
    one(minutes(60));
    run(minutes(7));
  }
  const std::uint64_t id = gang(3);
  const Time asked = now_;
  while (order(id).leased == 0 && now_ - asked < hours(12)) {
    one(minutes(60));
    run(minutes(7));
  }
  EXPECT_EQ(order(id).leased, 3U);
  EXPECT_LT((now_ - asked).value, minutes(80).value) << "an hour, and the time to start within";
}

TEST_F(GangTest, OneNodesManyDevicesDoNotStarveEither) {
  node(provider_, 100, 4);
  for (int i = 0; i < 6; ++i) {
    one(minutes(60));
    run(minutes(7));
  }
  const std::uint64_t id = gang(1, 1, 4);
  const Time asked = now_;
  while (order(id).leased == 0 && now_ - asked < hours(12)) {
    one(minutes(60));
    run(minutes(7));
  }
  EXPECT_EQ(order(id).leased, 1U);
  EXPECT_LT((now_ - asked).value, minutes(80).value);
}

TEST_F(GangTest, WhoEndsBeforePassesTheReservation) {
  node(provider_, 100);
  node(provider_, 100);
  const std::uint64_t first = one(hours(4));
  run(minutes(1));
  const std::uint64_t id = gang(2);
  EXPECT_EQ(order(id).waiting, 2U);
  const std::uint64_t late = one(hours(4));
  EXPECT_EQ(order(late).leased, 0U) << "it would delay the gang";
  const std::uint64_t early = one(hours(1));
  EXPECT_EQ(order(early).leased, 1U) << "it is over before the gang can begin";
  // A node that comes is no part of the reservation, and the gang still needs another.
  node(provider_, 100, 2);
  EXPECT_EQ(order(late).leased, 1U);
  EXPECT_EQ(order(id).leased, 0U);
  node(provider_, 100);
  EXPECT_EQ(order(id).leased, 2U) << "it takes what it can have before its moment";
  EXPECT_EQ(order(first).leased, 1U);
}

TEST_F(GangTest, OthersMayHaveWhatTheReservationsOrderDoesNotNeed) {
  node(provider_, 100, 4);
  node(provider_, 100, 4);
  const std::uint64_t first = gang(2, 1, 3);
  const std::uint64_t second = gang(2, 1, 3);
  EXPECT_EQ(order(first).leased, 2U);
  EXPECT_EQ(order(second).waiting, 2U);
  const std::uint64_t spare = one(hours(4));
  const std::uint64_t other = one(hours(4));
  EXPECT_EQ(order(spare).leased + order(other).leased, 2U) << "three of four devices are enough";
}

TEST_F(GangTest, TheReservationIsInTheSnapshot) {
  node(provider_, 100);
  node(provider_, 100);
  one(hours(4));
  gang(2);
  std::string bytes;
  machine_.snapshot([&](std::string_view piece) { bytes += piece; });
  Machine other;
  std::size_t at = 0;
  const Status restored = other.restore([&](char* into, std::size_t size) -> Result<std::size_t> {
    const std::size_t count = bytes.copy(into, size, at);
    at += count;
    return count;
  });
  ASSERT_TRUE(restored) << restored.error().message;
  EXPECT_EQ(other.digest(), machine_.digest());
  v1::Command command = submit(small_);
  command.mutable_submit_order()->mutable_requirements()->set_duration_us(hours(4).value);
  command.mutable_submit_order()->set_wait(false);
  command.set_actor(small_);
  Events events;
  other.apply(LogIndex(other.last_index().value + 1), now_ + seconds(1), command, events);
  ASSERT_TRUE(events.at(0).has_refused());
  EXPECT_EQ(events[0].refused().code(), v1::NO_MATCH);
}

}  // namespace
}  // namespace fallow::core
