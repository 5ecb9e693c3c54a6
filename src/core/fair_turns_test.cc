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
  void expect_restores() {
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
    EXPECT_EQ(other.next_deadline(), machine_.next_deadline());
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
  expect_restores();
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
  expect_restores();
  tick_all();
  EXPECT_EQ(waits.leased, 1U);
  EXPECT_EQ(newcomer.leased, 0U);
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

}  // namespace
}  // namespace fallow::core
