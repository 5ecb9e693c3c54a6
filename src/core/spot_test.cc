#include "core/spot.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "core/test_spot.h"

namespace fallow::core {
namespace {

TEST_F(SpotTest, ABidPerDeviceIsWhatDiskLeaves) {
  v1::Requirements wanted;
  wanted.set_gpus(2);
  wanted.set_device_thousandths(500);
  wanted.set_disk_mb(10'000);
  wanted.set_price_per_hour_micros_max(1'000'000);
  EXPECT_EQ(spot_bid(wanted, Micros(0)), Micros(1'000'000));
  EXPECT_EQ(spot_bid(wanted, Micros(50'000)), Micros(500'000));
  EXPECT_LT(spot_bid(wanted, Micros(200'000)), Micros(0));
}

TEST_F(SpotTest, TheHighestLosingBidClearsAndFloorsHold) {
  spot_node(100'000);
  spot_node(200'000);
  const Order& a = bid(500'000);
  const Order& b = bid(400'000);
  prove(a, seconds(10));
  prove(b, seconds(10));
  EXPECT_EQ(lease_of(a)->runs.back().rate_hour, Micros(100'000));  // floors hold at first
  EXPECT_EQ(lease_of(b)->runs.back().rate_hour, Micros(200'000));
  next_interval();
  prove(a, seconds(10));
  EXPECT_EQ(lease_of(a)->runs.back().rate_hour, Micros(100'000)) << "the other's floor is its own";
  bid(300'000);  // loses
  bid(250'000);
  next_interval();
  prove(a, seconds(10));
  prove(b, seconds(10));
  EXPECT_EQ(lease_of(a)->runs.back().rate_hour, Micros(300'000));
  EXPECT_EQ(lease_of(b)->runs.back().rate_hour, Micros(300'000));
  EXPECT_EQ(lease_of(a)->runs.size(), 2U);
  EXPECT_EQ(lease_of(b)->runs.size(), 2U);
}

TEST_F(SpotTest, OnlyAHigherBidOutbidsAndTheLeastRunIsKept) {
  spot_node(0);
  const Order& first = bid(300'000);
  prove(first, minutes(3));
  const Order& equal = bid(300'000);
  EXPECT_TRUE(runs(first));
  const Order& higher = bid(300'001);
  EXPECT_EQ(lease_of(first)->state, v1::STOPPING);
  EXPECT_EQ(lease_of(first)->stop_reason, v1::PREEMPTED);
  EXPECT_EQ(machine_.desired(lease_of(first)->node).leases(0).stop_grace_us(), seconds(20).value);
  EXPECT_EQ(machine_.desired(lease_of(first)->node).leases(0).stop_reason(), v1::PREEMPTED);
  end(first, v1::STOPPED);
  EXPECT_TRUE(runs(higher)) << "the place is that of who made it";
  EXPECT_FALSE(runs(equal));
  EXPECT_EQ(machine_.lease(first.leases[0])->reason, v1::PREEMPTED);
  EXPECT_EQ(machine_.lease(first.leases[0])->blame, v1::BLAME_MARKET);
  const Order& highest = bid(900'000);
  EXPECT_TRUE(runs(higher)) << "it has only just begun";
  prove(higher, minutes(1));
  next_interval();
  EXPECT_EQ(lease_of(higher)->state, v1::STOPPING);
  end(higher, v1::STOPPED);
  EXPECT_TRUE(runs(highest));
}

TEST_F(SpotTest, WhoWasPreemptedCoolsDown) {
  spot_node(0);
  const Order& low = bid(100'000);
  prove(low, minutes(4) + seconds(30));
  const Order& high = bid(200'000);
  end(low, v1::STOPPED);
  ASSERT_TRUE(runs(high));
  end(high, v1::COMPLETED);
  EXPECT_FALSE(runs(low)) << "the place is free, but it cools down";
  next_interval();
  if (now_ < low.spot_after) {
    EXPECT_FALSE(runs(low));
  }
  next_interval();
  EXPECT_TRUE(runs(low));
}

TEST_F(SpotTest, OtherTiersTakeThePlaceAndGiveUpNone) {
  spot_node(0);
  const Order& spot = bid(900'000);
  prove(spot, minutes(2));
  const Order& reserved = bid(2'000'000, 1, v1::RESERVED);
  EXPECT_EQ(lease_of(spot)->state, v1::STOPPING);
  end(spot, v1::STOPPED);
  EXPECT_TRUE(runs(reserved));
  prove(reserved, minutes(30));
  bid(5'000'000);
  bid(2'000'000, 1, v1::ON_DEMAND);
  next_interval();
  EXPECT_TRUE(runs(reserved));
}

// Two devices are needed: of three victims the one whose place is not needed stays.
TEST_F(SpotTest, WhoLosesLeastLeavesAndNobodyElse) {
  spot_node(0, 3);
  const Order& a = bid(100'000);
  const Order& b = bid(100'000);
  const Order& c = bid(100'000);
  prove(a, minutes(10));
  prove(b, minutes(2));
  prove(c, minutes(5));
  const Order& two = bid(10'000'000, 2, v1::ON_DEMAND);
  EXPECT_TRUE(runs(a));
  EXPECT_EQ(lease_of(b)->state, v1::STOPPING);
  EXPECT_EQ(lease_of(c)->state, v1::STOPPING);
  EXPECT_EQ(two.claims, 2U);
  end(b, v1::STOPPED);
  EXPECT_FALSE(runs(two));
  end(c, v1::STOPPED);
  EXPECT_TRUE(runs(two));
  EXPECT_EQ(two.claims, 0U);
}

TEST_F(SpotTest, WhoeverMadeRoomMayLeaveBeforeItIsThere) {
  spot_node(0);
  const Order& low = bid(100'000);
  prove(low, minutes(2));
  const Order& high = bid(200'000);
  const OrderId id = high.id;
  v1::Command stop;
  stop.mutable_stop_order()->set_order(id.value);
  apply(stop, renter_);
  end(low, v1::STOPPED);
  EXPECT_NE(machine_.order(id)->state, v1::OPEN);
}

// However often the price changes, the charge is that of the sum, rounded down once.
TEST_F(SpotTest, BidsThatWaitForTheirMoneyHoldNobodyUp) {
  spot_node(0);
  for (int i = 0; i < 600; ++i) {  // more than a command's matches
    v1::Command command = submit(renter_);
    v1::SubmitOrder& order = *command.mutable_submit_order();
    order.mutable_requirements()->set_tier(v1::SPOT);
    order.mutable_requirements()->set_device_thousandths(1);
    order.mutable_requirements()->set_price_per_hour_micros_max(900);
    order.set_tasks(2);
    order.set_budget_micros_max(900);  // of one task: the other waits until it gives money back
    ASSERT_EQ(refusal_of(command, renter_), v1::REFUSAL_UNSPECIFIED);
  }
  next_interval();
  v1::Command tick;
  tick.mutable_tick();
  for (int i = 0; i < 20 && *machine_.next_deadline() <= now_; ++i) apply(tick);
  spot_node(0);  // a node that they all fit
  for (int i = 0; i < 20 && *machine_.next_deadline() <= now_; ++i) apply(tick);
  EXPECT_GT(*machine_.next_deadline(), now_) << "they are tested without end";
}

TEST_F(SpotTest, ALosingBidBeyondAllPricesIsCutToOne) {
  spot_node(0);
  const auto tiny = [&](std::uint32_t thousandths) {
    v1::Command command = submit(renter_);
    v1::Requirements& wanted = *command.mutable_submit_order()->mutable_requirements();
    wanted.set_tier(v1::SPOT);
    wanted.set_device_thousandths(thousandths);
    wanted.set_duration_us(seconds(1).value);
    wanted.set_price_per_hour_micros_max(2'000'000'000LL);  // 2,000 for a thousandth
    const std::uint64_t id = next_id();
    EXPECT_EQ(refusal_of(command, renter_), v1::REFUSAL_UNSPECIFIED);
    return id;
  };
  const Order& runs_on = *machine_.order(OrderId(tiny(1)));
  ASSERT_TRUE(runs(runs_on));
  v1::Command rest = submit(renter_);
  rest.mutable_submit_order()->mutable_requirements()->set_device_thousandths(999);
  ASSERT_EQ(refusal_of(rest, renter_), v1::REFUSAL_UNSPECIFIED);
  tiny(1);  // an equal bid: it loses
  next_interval();
  std::string bytes;
  machine_.snapshot([&](std::string_view piece) { bytes.append(piece); });
  std::size_t at = 0;
  const Status restored = Machine(Limits{}).restore([&](char* out, std::size_t size) {
    const std::size_t read = bytes.copy(out, size, at);
    at += read;
    return Result<std::size_t>(read);
  });
  EXPECT_TRUE(restored) << restored.error().message;
}

TEST_F(SpotTest, TheChargeDoesNotDrift) {
  const std::unique_ptr<Random> random = seeded_random(3);
  spot_node(7);
  spot_node(11);
  const Order& order = bid(999'983);
  const Order& other = bid(999'979);
  Wide sum = 0;
  Duration proven(0);
  for (int i = 0; i < 60; ++i) {
    if (random->below(3) == 0) {
      const Order& loser = bid(static_cast<std::int64_t>(20 + random->below(900'000)));
      next_interval();
      v1::Command stop;
      stop.mutable_stop_order()->set_order(loser.id.value);
      apply(stop, renter_);
    }
    const auto time = Duration(static_cast<std::int64_t>(1 + random->below(20'000'000)));
    if (!runs(order)) break;
    prove(order, time);
    proven += time;
    sum += Wide{lease_of(order)->runs.back().rate_hour.value} * time.value;
  }
  EXPECT_GT(lease_of(order)->runs.size(), 5U);
  EXPECT_EQ(lease_of(order)->proven, proven);
  EXPECT_EQ(lease_of(order)->charged.value, static_cast<std::int64_t>(sum / kHour.value));
  EXPECT_TRUE(runs(other));
}

TEST_F(SpotTest, AMarketWithoutIntervalsHasNone) {
  spot_node(0);
  v1::Command policy;
  *policy.mutable_set_policy()->mutable_policy() = machine_.policy();
  policy.mutable_set_policy()->mutable_policy()->set_price_interval_us(0);
  ASSERT_EQ(refusal_of(policy), v1::REFUSAL_UNSPECIFIED);
  v1::Command command = submit(renter_);
  command.mutable_submit_order()->mutable_requirements()->set_tier(v1::SPOT);
  EXPECT_EQ(refusal_of(command, renter_), v1::VALUE_INVALID);
  command.mutable_submit_order()->mutable_requirements()->set_price_per_hour_micros_max(500'000);
  EXPECT_EQ(refusal_of(command, renter_), v1::TIER_NOT_OFFERED);
}

// A quote that is over binds nobody, whether its order is searched for alone, with others, or by a
// market that was restored.
TEST_F(SpotTest, AQuoteThatIsOverPreemptsNobody) {
  const std::uint64_t id = spot_node(0);
  next_interval();
  now_ = now_ + minutes(4) + seconds(20);
  v1::Command quoted = submit(renter_);
  v1::SubmitOrder& asked = *quoted.mutable_submit_order();
  asked.mutable_requirements()->set_tier(v1::ON_DEMAND);
  const auto estimate = machine_.estimate(asked.requirements(), 1, now_);
  ASSERT_TRUE(estimate);
  *asked.mutable_quote() = estimate->quote;
  const Order& spot = bid(500'000);
  ASSERT_TRUE(runs(spot));
  prove(spot, seconds(10));
  std::vector<std::uint64_t> orders;
  for (std::size_t i = 0; i < 2 * Limits().waiting_grouped_min; ++i) {
    orders.push_back(next_id());
    ASSERT_EQ(refusal_of(quoted, renter_), v1::REFUSAL_UNSPECIFIED);
  }
  v1::Command raised;
  v1::SetOffer& offer = *raised.mutable_set_offer();
  offer.set_node(id);
  offer.set_device_hour_micros(5'000'000);
  offer.set_spot(true);
  offer.set_share_thousandths_min(1);
  ASSERT_EQ(refusal_of(raised), v1::REFUSAL_UNSPECIFIED);
  // The quotes stand, but the lease has its least run; at the next interval's end they are over.
  next_interval();
  ASSERT_TRUE(runs(spot));
  prove(spot, minutes(4) + seconds(58));
  ASSERT_TRUE(runs(spot));

  std::string bytes;
  machine_.snapshot([&](std::string_view piece) { bytes += piece; });
  Machine twin;
  std::string_view rest = bytes;
  ASSERT_TRUE(twin.restore([&](char* to, std::size_t size) -> Result<std::size_t> {
    const std::size_t piece = rest.copy(to, size);
    rest.remove_prefix(piece);
    return piece;
  }));
  const std::int64_t length = minutes(5).value;
  now_ = Time{(now_.us / length + 1) * length};
  v1::Command tick;
  tick.mutable_tick();
  for (int i = 0; i < 4; ++i) {
    apply(tick);
    Events events;
    twin.apply(machine_.last_index(), now_, tick, events);
    EXPECT_EQ(twin.digest(), machine_.digest()) << "tick " << i;
  }
  EXPECT_TRUE(runs(spot)) << "none of the orders could pay for the place";
  for (const std::uint64_t order : orders) {
    EXPECT_LE(machine_.order(OrderId(order))->quote_until, now_);
    EXPECT_EQ(machine_.order(OrderId(order))->claims, 0U);
  }
}

}  // namespace
}  // namespace fallow::core
