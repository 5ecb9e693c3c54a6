#include "core/run_mode.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>

#include "core/test_spot.h"

namespace fallow::core {
namespace {

// An hour of work, a start of five minutes, prices asked every five.
class RunModeTest : public SpotTest {
 protected:
  v1::Command with_deadline(Duration until) {
    v1::Command command = submit(renter_);
    command.mutable_submit_order()->set_deadline_after_us(until.value);
    command.mutable_submit_order()->set_restart_us(minutes(5).value);
    return command;
  }
  const Order& accepted(Duration until) {
    const std::uint64_t id = next_id();
    EXPECT_EQ(refusal_of(with_deadline(until), renter_), v1::REFUSAL_UNSPECIFIED);
    return *machine_.order(OrderId(id));
  }
  // Of the class of all nodes here.
  void expect_use(std::uint32_t basis_points, Duration ahead) {
    v1::Command command;
    v1::ClassForecast& told = *command.mutable_set_forecast()->add_classes();
    told.set_model("rtx_4090");
    told.set_region("eu");
    told.set_use_basis_points(basis_points);
    told.set_until_us((now_ + ahead).us);
    ASSERT_EQ(refusal_of(command), v1::REFUSAL_UNSPECIFIED);
    ASSERT_EQ(events_[0].forecast_set().classes(), 1U);
  }
  // It runs on spot, loses it to an owner, and only what is dear is left.
  const Order& lost_spot(std::uint32_t expected_use, Duration ahead) {
    const std::uint64_t spot = spot_node(200'000);
    const std::uint64_t dear = node(provider_, 1'000'000);
    set_link(dear, false);
    const Order& order = accepted(hours(3));
    prove(order, minutes(10));
    expect_use(expected_use, ahead);
    set_link(spot, false);
    end(order, v1::OWNER_RETURNED);
    set_link(dear, true);
    return order;
  }
  void set_link(std::uint64_t node, bool connected) {
    v1::Command command;
    command.mutable_set_node_link()->set_node(node);
    command.mutable_set_node_link()->set_connected(connected);
    apply(command);
  }
};

TEST_F(RunModeTest, WithSlackItRunsOnSpotAtTheClearingPrice) {
  const std::uint64_t node = spot_node(200'000);
  const Order& order = accepted(hours(3));
  ASSERT_TRUE(runs(order));
  const Lease& lease = *lease_of(order);
  EXPECT_EQ(lease.node, NodeId(node));
  EXPECT_TRUE(lease.spot);
  EXPECT_EQ(lease.spot_bid, Micros(1'000'000));  // what it would cost on demand
  EXPECT_EQ(order.budget, Micros(1'000'000));
  prove(order, hours(1));
  end(order, v1::COMPLETED);
  EXPECT_EQ(order.state, v1::ORDER_DONE);
  EXPECT_EQ(order.charged, Micros(200'000));  // the floor
}

TEST_F(RunModeTest, WithoutRoomForALostStartItRunsOnDemand) {
  spot_node(200'000);
  const Order& tight = accepted(minutes(69));  // two starts want 70
  ASSERT_TRUE(runs(tight));
  EXPECT_FALSE(lease_of(tight)->spot);
  end(tight, v1::COMPLETED);
  const Order& enough = accepted(minutes(70));
  ASSERT_TRUE(runs(enough));
  EXPECT_TRUE(lease_of(enough)->spot);
}

TEST_F(RunModeTest, WhereNobodyOffersSpotItDoesNotWaitForIt) {
  const std::uint64_t plain = node(provider_, 1'000'000);
  const Order& order = accepted(hours(3));
  ASSERT_TRUE(runs(order));
  EXPECT_FALSE(lease_of(order)->spot);
  EXPECT_EQ(lease_of(order)->node, NodeId(plain));
}

TEST_F(RunModeTest, WhenSpotStaysAwayOnDemandIsStillInTime) {
  const std::uint64_t spot = spot_node(200'000);
  const std::uint64_t dear = node(provider_, 1'000'000);
  set_link(dear, false);
  const Order& order = accepted(hours(3));
  ASSERT_TRUE(runs(order) && lease_of(order)->spot);
  const Time deadline = order.deadline;
  prove(order, minutes(10));
  set_link(spot, false);
  end(order, v1::OWNER_RETURNED);
  set_link(dear, true);
  // There is slack for an hour and three quarters: on_demand at once would be dearer than waiting.
  EXPECT_FALSE(runs(order));
  Time latest = now_;
  while (!runs(order) && now_ < deadline) {
    latest = now_;
    next_interval();
  }
  ASSERT_TRUE(runs(order));
  EXPECT_FALSE(lease_of(order)->spot);
  EXPECT_EQ(lease_of(order)->node, NodeId(dear));
  EXPECT_GT(latest, order.created_at + minutes(15));  // it did wait
  // The start and the fifty minutes that are left end before the deadline.
  EXPECT_LE(now_ + minutes(55), deadline);
}

TEST_F(RunModeTest, WhereNoRoomIsExpectedItDoesNotWaitForIt) {
  const Order& order = lost_spot(12'000, hours(1));
  ASSERT_TRUE(runs(order)) << "behind the hour without room it would be too late to wait on";
  EXPECT_FALSE(lease_of(order)->spot);
}

TEST_F(RunModeTest, AnOldMarketsDeadlinesDoNotLookAhead) {
  v1::Command policy;
  *policy.mutable_set_policy()->mutable_policy() = machine_.policy();
  policy.mutable_set_policy()->mutable_policy()->set_deadlines_by_forecast(false);
  ASSERT_EQ(refusal_of(policy), v1::REFUSAL_UNSPECIFIED);
  EXPECT_FALSE(runs(lost_spot(12'000, hours(1))));
}

TEST_F(RunModeTest, WhereRoomIsExpectedItWaitsForIt) {
  const Order& order = lost_spot(1'000, minutes(105));
  const Time told = now_;
  while (!runs(order) && now_ < order.deadline) next_interval();
  ASSERT_TRUE(runs(order));
  EXPECT_FALSE(lease_of(order)->spot) << "it did not come";
  EXPECT_GT(now_, told + minutes(104)) << "by the odds alone it would not have waited so long";
  EXPECT_LE(now_ + minutes(55), order.deadline);
}

TEST_F(RunModeTest, ItComesBackToSpotAfterACoolDownThatOnDemandDoesNotNeed) {
  spot_node(200'000);
  const Order& order = accepted(hours(3));
  prove(order, minutes(10));
  const Order& taker = bid(0, 1, v1::ON_DEMAND);
  EXPECT_FALSE(runs(taker));
  end(order, v1::PREEMPTED);
  EXPECT_TRUE(runs(taker));
  EXPECT_FALSE(runs(order));
  EXPECT_GT(order.spot_after, now_);
  prove(taker, minutes(1));
  end(taker, v1::COMPLETED);
  // Its time has not come for spot; it still waits, since on_demand is not needed yet.
  EXPECT_FALSE(runs(order));
  for (int i = 0; i < 2 && now_ < order.spot_after; ++i) {
    EXPECT_FALSE(runs(order));
    next_interval();
  }
  ASSERT_TRUE(runs(order));
  EXPECT_TRUE(lease_of(order)->spot);
}

TEST_F(RunModeTest, ASnapshotKeepsWhatItAsksForAndWhatItSaw) {
  const std::uint64_t spot = spot_node(200'000);
  const Order& order = accepted(hours(3));
  prove(order, minutes(10));
  set_link(spot, false);
  end(order, v1::OWNER_RETURNED);
  next_interval();
  ASSERT_TRUE(is_spot(order));
  std::string bytes;
  machine_.snapshot([&](std::string_view piece) { bytes += piece; });
  Machine other;
  std::size_t at = 0;
  ASSERT_TRUE(other.restore([&](char* out, std::size_t size) -> Result<std::size_t> {
    const std::size_t count = std::min(size, bytes.size() - at);
    bytes.copy(out, count, at);
    at += count;
    return count;
  }));
  EXPECT_EQ(other.digest(), machine_.digest());
  EXPECT_TRUE(is_spot(*other.order(order.id)));
  other.check_invariants();
}

TEST_F(RunModeTest, DeadlinesThatCannotBeAreRefused) {
  spot_node(200'000);
  EXPECT_EQ(refusal_of(with_deadline(minutes(65) - Duration(1)), renter_), v1::VALUE_INVALID);
  EXPECT_EQ(refusal_of(with_deadline(Duration(-1)), renter_), v1::VALUE_INVALID);
  EXPECT_EQ(refusal_of(with_deadline(Duration(std::numeric_limits<std::int64_t>::max())), renter_),
            v1::VALUE_INVALID);
  v1::Command negative = with_deadline(hours(3));
  negative.mutable_submit_order()->set_restart_us(-1);
  EXPECT_EQ(refusal_of(negative, renter_), v1::VALUE_INVALID);
  v1::Command no_deadline = with_deadline(Duration(0));
  EXPECT_EQ(refusal_of(no_deadline, renter_), v1::VALUE_INVALID);
  v1::Command reserved = with_deadline(hours(3));
  reserved.mutable_submit_order()->mutable_requirements()->set_tier(v1::RESERVED);
  EXPECT_EQ(refusal_of(reserved, renter_), v1::VALUE_INVALID);
  v1::Command spot = with_deadline(hours(3));
  spot.mutable_submit_order()->mutable_requirements()->set_tier(v1::SPOT);
  spot.mutable_submit_order()->mutable_requirements()->set_price_per_hour_micros_max(500'000);
  EXPECT_EQ(refusal_of(spot, renter_), v1::VALUE_INVALID);
}

}  // namespace
}  // namespace fallow::core
