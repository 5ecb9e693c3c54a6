// Offers that follow their class's index, through the machine.
#include "core/repricing.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/policy.h"
#include "core/test_machine.h"

namespace fallow::core {
namespace {

class RepricingTest : public MachineTest {
 protected:
  void SetUp() override {
    found();
    set_interval(minutes(5));
    provider_ = open(v1::PROVIDER);
    renter_ = open(v1::RENTER);
    deposit(renter_, 900'000'000);
  }
  void set_interval(Duration interval) {
    v1::Command command;
    *command.mutable_set_policy()->mutable_policy() = default_policy();
    command.mutable_set_policy()->mutable_policy()->set_price_interval_us(interval.value);
    command.mutable_set_policy()->mutable_policy()->set_suspend_after_us(hours(1).value);
    command.mutable_set_policy()->mutable_policy()->set_close_after_us(hours(2).value);
    ASSERT_EQ(refusal_of(command), v1::REFUSAL_UNSPECIFIED);
  }
  v1::Refusal follow(std::uint64_t node, std::int64_t floor, std::int64_t ceiling,
                     std::int64_t begin = 0) {
    v1::Command command;
    v1::SetOffer& offer = *command.mutable_set_offer();
    offer.set_node(node);
    offer.set_device_hour_micros(begin);
    offer.set_device_hour_micros_min(floor);
    offer.set_device_hour_micros_max(ceiling);
    return refusal_of(command);
  }
  std::int64_t price(std::uint64_t node) const {
    return machine_.node(NodeId(node))->offer.device_hour.value;
  }
  // The next Tick that is due: when it was due.
  void tick() {
    ASSERT_TRUE(machine_.next_deadline());
    now_ = std::max(now_, *machine_.next_deadline() - milliseconds(1));
    v1::Command command;
    command.mutable_tick();
    apply(command);
  }
  // Ticks until no offer has still to follow.
  int ticks_of_interval() {
    tick();
    int ticks = 1;
    for (; machine_.next_deadline() && *machine_.next_deadline() <= now_; ++ticks) tick();
    return ticks;
  }

  std::uint64_t provider_ = 0;
  std::uint64_t renter_ = 0;
};

TEST_F(RepricingTest, PricesFollowUpAndDownWithinTheirEnds) {
  const std::uint64_t fixed = node(provider_, 400'000);
  const std::uint64_t follower = node(provider_, 400'000);
  ASSERT_EQ(follow(follower, 390'000, 500'000), v1::REFUSAL_UNSPECIFIED);
  apply(submit(renter_, 2));
  tick();
  EXPECT_GT(price(follower), 400'000);
  EXPECT_EQ(price(fixed), 400'000);
  for (const char* side : {"down", "at the floor"}) {
    SCOPED_TRACE(side);
    v1::Command stop;
    machine_.visit_orders_newest(OrderId(), [&](const Order& order) {
      stop.mutable_stop_order()->set_order(order.id.value);
      return false;
    });
    apply(stop);
    for (const std::uint64_t node : {fixed, follower}) {
      v1::Command gone;
      gone.mutable_observe()->set_node(node);
      gone.mutable_observe()->set_desired_revision(99);
      gone.mutable_observe()->set_complete(true);
      apply(gone);
    }
    for (int i = 0; i < 4; ++i) tick();
  }
  EXPECT_EQ(price(follower), 390'000);
}

TEST_F(RepricingTest, ANewFollowerAsksForTheIndexOfItsClass) {
  node(provider_, 400'000);
  const std::uint64_t second = node(provider_, 900'000);
  ASSERT_EQ(follow(second, 0, 1'000'000, 700'000), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(price(second), 400'000);
  ASSERT_EQ(follow(second, 450'000, 1'000'000), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(price(second), 450'000);
}

TEST_F(RepricingTest, WrongEndsAreRefused) {
  const std::uint64_t id = node(provider_, 400'000);
  EXPECT_EQ(follow(id, 2, 1), v1::VALUE_INVALID);
  EXPECT_EQ(follow(id, 1, 0), v1::VALUE_INVALID);
  EXPECT_EQ(follow(id, -1, 5), v1::VALUE_INVALID);
  EXPECT_EQ(follow(id, 0, 1'000'000'000'001), v1::VALUE_INVALID);
  set_interval(Duration(0));
  EXPECT_EQ(follow(id, 1, 2), v1::VALUE_INVALID);
  EXPECT_EQ(price(id), 400'000);
}

TEST_F(RepricingTest, AnEmptyMarketHasNoIntervals) {
  const std::optional<Time> without = machine_.next_deadline();  // of what was paid in
  const std::uint64_t id = node(provider_, 400'000);
  EXPECT_NE(machine_.next_deadline(), without);
  v1::Command remove;
  remove.mutable_remove_node()->set_node(id);
  apply(remove);
  EXPECT_EQ(machine_.next_deadline(), without);
}

TEST_F(RepricingTest, TheFirstNodeBeginsAnInterval) {
  now_ = now_ + hours(3);
  const std::uint64_t id = node(provider_, 400'000);
  ASSERT_TRUE(machine_.next_deadline());
  EXPECT_GT(*machine_.next_deadline(), machine_.now()) << "an empty market's interval is over";
  EXPECT_LE(*machine_.next_deadline(), machine_.now() + minutes(5));
  ASSERT_EQ(follow(id, 1, 1'000'000), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(price(id), 400'000);
}

TEST_F(RepricingTest, ManyFollowersTakeSeveralTicks) {
  std::vector<std::uint64_t> nodes;
  for (int i = 0; i < 600; ++i) {
    nodes.push_back(node(provider_, 400'000));
    ASSERT_EQ(follow(nodes.back(), 1, 1'000'000), v1::REFUSAL_UNSPECIFIED);
  }
  EXPECT_EQ(ticks_of_interval(), 3) << "256 a command";
  for (const std::uint64_t id : nodes) EXPECT_EQ(price(id), 388'000);
}

TEST_F(RepricingTest, ASnapshotInTheMiddleGoesOnWhereItStood) {
  for (int i = 0; i < 300; ++i) {
    ASSERT_EQ(follow(node(provider_, 400'000), 1, 1'000'000), v1::REFUSAL_UNSPECIFIED);
  }
  tick();
  ASSERT_EQ(machine_.next_deadline(), machine_.now()) << "offers are still to follow";
  std::string bytes;
  machine_.snapshot([&](std::string_view part) { bytes += part; });
  Machine copy;
  std::size_t at = 0;
  ASSERT_TRUE(copy.restore([&](char* into, std::size_t size) -> Result<std::size_t> {
    const std::size_t given = bytes.copy(into, size, at);
    at += given;
    return given;
  }));
  EXPECT_EQ(copy.digest(), machine_.digest());
  tick();
  v1::Command command;
  command.mutable_tick();
  Events events;
  copy.apply(machine_.last_index(), machine_.now(), command, events);
  EXPECT_EQ(copy.digest(), machine_.digest());
  EXPECT_EQ(events.size(), events_.size());
}

TEST_F(RepricingTest, LooksAheadUntilTheForecastIsOver) {
  const std::uint64_t id = node(provider_, 400'000);
  ASSERT_EQ(follow(id, 100'000, 900'000), v1::REFUSAL_UNSPECIFIED);
  v1::Command command;
  v1::ClassForecast& told = *command.mutable_set_forecast()->add_classes();
  told.set_model("rtx_4090");
  told.set_region("eu");
  told.set_use_basis_points(14'000);
  told.set_until_us((*machine_.next_deadline() + seconds(1)).us);
  EXPECT_EQ(refusal_of(command, provider_), v1::NOT_ALLOWED);
  ASSERT_EQ(refusal_of(command), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(events_[0].forecast_set().classes(), 1U);
  tick();
  // Nothing is in use; a quarter of all, no more than there is, is expected: 2,500 of 7,000.
  EXPECT_EQ(events_[0].price_moved().expected_use_basis_points(), 14'000U);
  EXPECT_EQ(price(id), 400'000 - 12'000 * 4'500 / 7'000);
  // A device is a thousand thousandths; it was offered two commands after it joined.
  const Time began{events_[0].price_moved().began_at_us()};
  EXPECT_EQ(events_[0].price_moved().offered_ms(), (now_ - began - milliseconds(2)).value);
  const std::int64_t before = price(id);
  tick();
  EXPECT_EQ(events_[0].price_moved().expected_use_basis_points(), 0U) << "it is over";
  EXPECT_EQ(price(id), before - before * 300 / 10'000);
  EXPECT_EQ(events_[0].price_moved().began_at_us() % minutes(5).value, 0);
}

TEST_F(RepricingTest, NoForecastMovesAPriceByMoreThanTheStep) {
  const std::uint64_t id = node(provider_, 400'000);
  ASSERT_EQ(follow(id, 1, 900'000), v1::REFUSAL_UNSPECIFIED);
  v1::Command policy;
  *policy.mutable_set_policy()->mutable_policy() = machine_.policy();
  policy.mutable_set_policy()->mutable_policy()->set_forecast_basis_points(10'001);
  EXPECT_EQ(refusal_of(policy), v1::VALUE_INVALID);
  policy.mutable_set_policy()->mutable_policy()->set_forecast_basis_points(10'000);
  ASSERT_EQ(refusal_of(policy), v1::REFUSAL_UNSPECIFIED);
  v1::Command command;
  v1::ClassForecast& told = *command.mutable_set_forecast()->add_classes();
  told.set_model("rtx_4090");
  told.set_region("eu");
  told.set_use_basis_points(kExpectedUseMax);
  told.set_until_us((now_ + hours(1)).us);
  ASSERT_EQ(refusal_of(command), v1::REFUSAL_UNSPECIFIED);
  tick();
  EXPECT_EQ(price(id), 412'000);
}

}  // namespace
}  // namespace fallow::core
