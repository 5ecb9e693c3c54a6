// Threat 19: a bad record is not left behind with a name.
#include "core/device_records.h"

#include <string>
#include <vector>

#include "core/test_machine.h"

namespace fallow::core {
namespace {

class DeviceRecordsTest : public MachineTest {
 protected:
  void SetUp() override {
    found();
    renter_ = open(v1::RENTER);
    deposit(renter_, 1'000'000'000);
  }
  static v1::NodeFacts facts_of(const std::vector<std::string>& uuids) {
    v1::NodeFacts facts = test_facts(static_cast<std::uint32_t>(uuids.size()));
    for (std::size_t i = 0; i < uuids.size(); ++i) {
      facts.mutable_devices(static_cast<int>(i))->set_uuid(uuids[i]);
    }
    return facts;
  }
  std::uint64_t join_with(std::uint64_t provider, const std::vector<std::string>& uuids) {
    apply(token(provider, next_id()));
    v1::Command command = join(machine_.last_index().value * 4'096, next_id());
    *command.mutable_join_node()->mutable_facts() = facts_of(uuids);
    const std::uint64_t id = next_id();
    EXPECT_EQ(refusal_of(command), v1::REFUSAL_UNSPECIFIED);
    v1::Command link;
    link.mutable_set_node_link()->set_node(id);
    link.mutable_set_node_link()->set_connected(true);
    apply(link);
    offer(id, 1'000'000);
    return id;
  }
  // A lease of the only node that is offered ends by its fault.
  void break_lease(std::uint64_t node) {
    v1::Command command = submit(renter_);
    command.mutable_submit_order()->set_attempts_max(1);
    ASSERT_EQ(refusal_of(command, renter_), v1::REFUSAL_UNSPECIFIED);
    ASSERT_EQ(machine_.node(NodeId(node))->leases.size(), 1U);
    v1::Command observe;
    observe.mutable_observe()->set_node(node);
    v1::WorkloadReport& told = *observe.mutable_observe()->add_workloads();
    told.set_lease(machine_.node(NodeId(node))->leases[0].value);
    told.set_state(v1::ENDED);
    told.set_reason(v1::WORKLOAD_LOST);
    apply(observe);
    ASSERT_TRUE(machine_.node(NodeId(node))->leases.empty());
  }
  void withdraw_offer(std::uint64_t node) {
    v1::Command command;
    command.mutable_withdraw_offer()->set_node(node);
    ASSERT_EQ(refusal_of(command), v1::REFUSAL_UNSPECIFIED);
  }
  void remove(std::uint64_t node) {
    v1::Command command;
    command.mutable_remove_node()->set_node(node);
    ASSERT_EQ(refusal_of(command), v1::REFUSAL_UNSPECIFIED);
  }
  std::uint32_t reliability(std::uint64_t node) const {
    return reliability_ppm(*machine_.node(NodeId(node)));
  }

  std::uint64_t renter_ = 0;
};

constexpr std::uint32_t kOfNewNode = 950'000;

TEST_F(DeviceRecordsTest, ANewKeyAndAccountBringTheOldRecord) {
  const std::uint64_t first = join_with(open(v1::PROVIDER), {"GPU-1", "GPU-2"});
  EXPECT_EQ(reliability(first), kOfNewNode);
  for (int i = 0; i < 4; ++i) break_lease(first);
  const std::uint32_t bad = reliability(first);
  ASSERT_LT(bad, 800'000U);
  remove(first);
  EXPECT_EQ(reliability(join_with(open(v1::PROVIDER), {"GPU-3"})), kOfNewNode);
  const std::uint64_t again = join_with(open(v1::PROVIDER), {"GPU-2"});
  EXPECT_EQ(reliability(again), bad);
  const auto other = restored();
  ASSERT_NE(other, nullptr);
}

TEST_F(DeviceRecordsTest, ANodeThatIsLeftStandingIsNoWayRoundIt) {
  const std::uint64_t first = join_with(open(v1::PROVIDER), {"GPU-1"});
  for (int i = 0; i < 4; ++i) break_lease(first);
  const std::uint32_t bad = reliability(first);
  withdraw_offer(first);
  // It joins without the card, and has it a moment later.
  const std::uint64_t again = join_with(open(v1::PROVIDER), {"GPU-9"});
  EXPECT_EQ(reliability(again), kOfNewNode);
  v1::Command report;
  report.mutable_report_node()->set_node(again);
  *report.mutable_report_node()->mutable_facts() = facts_of({"GPU-9", "GPU-1"});
  ASSERT_EQ(refusal_of(report), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(reliability(again), bad);
  // Each goes on from there for itself, whatever it says again of its devices.
  break_lease(again);
  const std::uint32_t worse = reliability(again);
  EXPECT_LT(worse, bad);
  apply(report);
  EXPECT_EQ(reliability(again), worse);
  report.mutable_report_node()->set_node(first);
  *report.mutable_report_node()->mutable_facts() = facts_of({"GPU-1"});
  ASSERT_EQ(refusal_of(report), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(reliability(first), bad);
}

TEST_F(DeviceRecordsTest, NamesThatOthersHaveTooAreNotRemembered) {
  const std::uint64_t first = join_with(open(v1::PROVIDER), {"pocl-0"});
  for (int i = 0; i < 4; ++i) break_lease(first);
  remove(first);
  EXPECT_EQ(reliability(join_with(open(v1::PROVIDER), {"pocl-0"})), kOfNewNode);
}

TEST_F(DeviceRecordsTest, WithoutTheRuleEveryNodeBeginsAnew) {
  change_policy([](v1::Policy& policy) { policy.set_keeps_device_records(false); });
  const std::uint64_t first = join_with(open(v1::PROVIDER), {"GPU-1"});
  for (int i = 0; i < 4; ++i) break_lease(first);
  remove(first);
  EXPECT_EQ(reliability(join_with(open(v1::PROVIDER), {"GPU-1"})), kOfNewNode);
}

}  // namespace
}  // namespace fallow::core
