// Leases whose images take long.
#include "core/test_machine.h"

namespace fallow::core {
namespace {

class PullsTest : public MachineTest {
 protected:
  void SetUp() override {
    found();
    const std::uint64_t provider = open(v1::PROVIDER);
    renter_ = open(v1::RENTER);
    deposit(renter_, 1'000'000'000);
    node_ = node(provider, 3'600'000);
    v1::Command facts;
    facts.mutable_report_node()->set_node(node_);
    *facts.mutable_report_node()->mutable_facts() = test_facts(1);
    facts.mutable_report_node()->mutable_facts()->set_images(true);
    ASSERT_EQ(refusal_of(facts), v1::REFUSAL_UNSPECIFIED);
  }
  LeaseId rent(const std::string& image) {
    v1::Command command = submit(renter_);
    command.mutable_submit_order()->mutable_workload()->set_image(image);
    EXPECT_EQ(refusal_of(command, renter_), v1::REFUSAL_UNSPECIFIED);
    LeaseId newest;
    machine_.visit_leases_newest(LeaseId(0), [&](const Lease& lease) {
      newest = lease.id;
      return false;
    });
    return newest;
  }
  // Until then the node says so every ten seconds, and time passes.
  void starting(LeaseId id, bool pulling, Duration until) {
    const Time end = machine_.lease(id)->placed_at + until;
    while (now_ < end && is_open(*machine_.lease(id))) {
      now_ = std::min(now_ + seconds(10), end);
      v1::Command command;
      command.mutable_observe()->set_node(node_);
      v1::WorkloadReport& report = *command.mutable_observe()->add_workloads();
      report.set_lease(id.value);
      report.set_state(v1::STARTING);
      report.set_pulling(pulling);
      apply(command);
      v1::Command tick;
      tick.mutable_tick();
      apply(tick);
    }
  }
  void set_pull_timeout(Duration most) {
    v1::Command rules;
    *rules.mutable_set_policy()->mutable_policy() = machine_.policy();
    rules.mutable_set_policy()->mutable_policy()->set_pull_timeout_us(most.value);
    ASSERT_EQ(refusal_of(rules), v1::REFUSAL_UNSPECIFIED);
  }
  const Node& the_node() const { return *machine_.node(NodeId(node_)); }

  std::uint64_t renter_ = 0;
  std::uint64_t node_ = 0;
};

TEST_F(PullsTest, ANodeIsNotToBlameForAPullThatNeverEnds) {
  const LeaseId id = rent("org/tool");
  starting(id, true, minutes(74));
  ASSERT_EQ(machine_.lease(id)->state, v1::STARTING);
  starting(id, true, minutes(76));
  EXPECT_EQ(machine_.lease(id)->reason, v1::IMAGE_UNAVAILABLE);
  EXPECT_EQ(machine_.lease(id)->blame, v1::BLAME_MARKET);
  EXPECT_EQ(the_node().leases_broken, 0U);
}

TEST_F(PullsTest, WhatHasItsImageMustStartInTime) {
  const LeaseId id = rent("org/tool");
  starting(id, true, minutes(20));
  starting(id, false, minutes(34));
  ASSERT_EQ(machine_.lease(id)->state, v1::STARTING);
  starting(id, false, minutes(36));
  EXPECT_EQ(machine_.lease(id)->reason, v1::START_FAILED);
  EXPECT_EQ(the_node().leases_broken, 1U);
}

TEST_F(PullsTest, WhatHasNoImagePullsNone) {
  const LeaseId id = rent("");
  starting(id, true, minutes(16));
  EXPECT_EQ(machine_.lease(id)->reason, v1::START_FAILED);
}

TEST_F(PullsTest, AMarketOfBeforeTheRuleDoesNotWait) {
  set_pull_timeout(Duration(0));
  const LeaseId id = rent("org/tool");
  starting(id, true, minutes(16));
  EXPECT_EQ(machine_.lease(id)->reason, v1::START_FAILED);
}

}  // namespace
}  // namespace fallow::core
