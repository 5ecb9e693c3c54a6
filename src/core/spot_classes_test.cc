// Spot beside many cheaper leases of other classes: its price is its own class's, and its leases
// make room as if they stood alone.
#include <gtest/gtest.h>

#include <string>

#include "core/spot.h"
#include "core/test_spot.h"

namespace fallow::core {
namespace {

class SpotClassesTest : public SpotTest {
 protected:
  void SetUp() override {
    SpotTest::SetUp();
    v1::Command command;
    *command.mutable_set_policy()->mutable_policy() = machine_.policy();
    command.mutable_set_policy()->mutable_policy()->set_fair_turns(true);
    ASSERT_EQ(refusal_of(command), v1::REFUSAL_UNSPECIFIED);
  }

  void become(std::uint64_t node, std::uint32_t devices, const std::string& model) {
    v1::Command command;
    command.mutable_report_node()->set_node(node);
    *command.mutable_report_node()->mutable_facts() = test_facts(devices, model);
    ASSERT_EQ(refusal_of(command), v1::REFUSAL_UNSPECIFIED);
  }
  const Order& ask(const std::string& model, std::int64_t micros, v1::Tier tier = v1::SPOT,
                   std::uint32_t tasks = 1, std::uint32_t share = kWholeDevice) {
    v1::Command command = submit(renter_, tasks);
    v1::Requirements& wanted = *command.mutable_submit_order()->mutable_requirements();
    wanted.set_query("gpu_name=" + model);
    wanted.set_tier(tier);
    wanted.set_device_thousandths(share);
    wanted.set_price_per_hour_micros_max(micros);
    const std::uint64_t id = next_id();
    EXPECT_EQ(refusal_of(command, renter_), v1::REFUSAL_UNSPECIFIED);
    return *machine_.order(OrderId(id));
  }
  // More spot leases of one class, each at a lower bid than any other, than are looked at.
  void cheap_crowd() {
    constexpr std::uint32_t kTasks = kPlacesLookedAtMax + 1;
    spot_node(0, 5);
    const Order& crowd = ask("RTX_4090", 1, v1::SPOT, kTasks, 1);
    v1::Command tick;
    tick.mutable_tick();
    for (int i = 0; i < 40 && crowd.leased < kTasks; ++i) apply(tick);
    ASSERT_EQ(crowd.leased, kTasks);
  }
  std::int64_t rate_of_moment(const Order& order) {
    prove(order, seconds(1));
    return lease_of(order)->runs.back().rate_hour.value;
  }
};

TEST_F(SpotClassesTest, CheaperLeasesOfOtherClassesHideNoLosingBidAndNoVictim) {
  cheap_crowd();
  become(spot_node(0), 1, "H100");
  const Order& top = ask("H100", 900'000);
  ASSERT_TRUE(runs(top));
  ASSERT_FALSE(runs(ask("H100", 800'000)));
  next_interval();
  EXPECT_EQ(rate_of_moment(top), 800'000);
  prove(top, minutes(2));
  ask("H100", 1'000'000, v1::ON_DEMAND);
  EXPECT_FALSE(runs(top)) << "who pays the price is served before";
}

// A node that turns out to be of another model takes its leases along.
TEST_F(SpotClassesTest, LeasesMoveWithTheirNodeToAnotherClass) {
  const std::uint64_t moves = spot_node(0);
  spot_node(0);
  const Order& first = bid(500'000);
  const Order& second = bid(500'000);
  ASSERT_TRUE(runs(first) && runs(second));
  become(moves, 1, "H100");
  const Order& on_it = lease_of(first)->node.value == moves ? first : second;
  const Order& other = &on_it == &first ? second : first;
  ASSERT_FALSE(runs(ask("H100", 300'000)));
  next_interval();
  EXPECT_EQ(rate_of_moment(on_it), 300'000);
  EXPECT_EQ(rate_of_moment(other), 0) << "nobody lost in its class";
}

}  // namespace
}  // namespace fallow::core
