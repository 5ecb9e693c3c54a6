#include "core/term.h"

#include <gtest/gtest.h>

#include <limits>

#include "core/test_machine.h"

namespace fallow::core {
namespace {

TEST(Term, BracketsBeginAtTheirLength) {
  EXPECT_EQ(bracket_of(Duration(0)), kNoBracket);
  EXPECT_EQ(bracket_of(hours(1) - Duration(1)), kNoBracket);
  EXPECT_EQ(bracket_of(hours(1)), 0);
  EXPECT_EQ(bracket_of(hours(24) - Duration(1)), 0);
  EXPECT_EQ(bracket_of(hours(24)), 1);
  EXPECT_EQ(bracket_of(hours(7 * 24)), 2);
  EXPECT_EQ(bracket_of(hours(30 * 24)), 3);
  EXPECT_EQ(bracket_of(hours(24 * 36'500)), 3);
}

TEST(Term, OnlyAReservedTaskHasOne) {
  v1::Requirements wanted;
  wanted.set_duration_us(hours(24).value);
  EXPECT_EQ(bracket_of(wanted), kNoBracket);
  wanted.set_tier(v1::ON_DEMAND);
  EXPECT_EQ(bracket_of(wanted), kNoBracket);
  wanted.set_tier(v1::RESERVED);
  EXPECT_EQ(bracket_of(wanted), 1);
}

TEST(Term, WhatIsLeftIsRoundedUp) {
  EXPECT_EQ(discounted(Micros(1'000'000), 0), Micros(1'000'000));
  EXPECT_EQ(discounted(Micros(1'000'000), 500), Micros(950'000));
  EXPECT_EQ(discounted(Micros(3), 5'000), Micros(2));
  EXPECT_EQ(discounted(Micros(0), 5'000), Micros(0));
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(discounted(Micros(kMost), 5'000), Micros(kMost / 2 + 1));
}

TEST(Term, DiscountsAreBoundedAndInOrder) {
  v1::TermDiscounts given;
  EXPECT_TRUE(are_discounts(given));
  given.set_month_basis_points(5'000);
  EXPECT_TRUE(are_discounts(given));
  EXPECT_EQ(message_of(discounts_of(given)).DebugString(), given.DebugString());
  given.set_month_basis_points(5'001);
  EXPECT_FALSE(are_discounts(given));
  given.set_month_basis_points(100);
  given.set_week_basis_points(101);
  EXPECT_FALSE(are_discounts(given));
  EXPECT_EQ(largest({1, 5, 5, 9}, {2, 2, 6, 6}), (Discounts{2, 5, 6, 9}));
}

class ReservedTest : public MachineTest {
 protected:
  void SetUp() override {
    v1::Command founding = test_found();
    v1::Policy& policy = *founding.mutable_found()->mutable_policy();
    policy.set_suspend_after_us(hours(24 * 300).value);
    policy.set_close_after_us(hours(24 * 300).value);
    policy.set_start_timeout_us(hours(24 * 300).value);
    ASSERT_EQ(refusal_of(founding), v1::REFUSAL_UNSPECIFIED);
    provider_ = open(v1::PROVIDER);
    renter_ = open(v1::RENTER);
    deposit(renter_, 1'000'000'000'000);
    node_ = node(provider_, 1'000'000);
  }

  void set_discounts(std::uint32_t hour, std::uint32_t day, std::uint32_t week,
                     std::uint32_t month) {
    v1::Command command;
    v1::SetOffer& offer = *command.mutable_set_offer();
    offer.set_node(node_);
    offer.set_device_hour_micros(1'000'000);
    offer.mutable_discounts()->set_hour_basis_points(hour);
    offer.mutable_discounts()->set_day_basis_points(day);
    offer.mutable_discounts()->set_week_basis_points(week);
    offer.mutable_discounts()->set_month_basis_points(month);
    ASSERT_EQ(refusal_of(command), v1::REFUSAL_UNSPECIFIED);
  }

  const Lease& reserve(Duration term) {
    v1::Command command = submit(renter_);
    command.mutable_submit_order()->mutable_requirements()->set_tier(v1::RESERVED);
    command.mutable_submit_order()->mutable_requirements()->set_duration_us(term.value);
    EXPECT_EQ(refusal_of(command, renter_), v1::REFUSAL_UNSPECIFIED);
    const Lease* found = nullptr;
    machine_.visit_leases_newest(LeaseId(0), [&](const Lease& lease) {
      found = &lease;
      return false;
    });
    EXPECT_NE(found, nullptr);
    return *found;
  }

  void observe(const Lease& lease, Duration proven, v1::EndReason ending) {
    now_ = now_ + proven;
    v1::Command command;
    v1::Observe& observe = *command.mutable_observe();
    observe.set_node(lease.node.value);
    v1::WorkloadReport& report = *observe.add_workloads();
    report.set_lease(lease.id.value);
    report.set_state(ending == v1::END_REASON_UNSPECIFIED ? v1::RUNNING : v1::ENDED);
    report.set_reason(ending);
    if (proven.value > 0) {
      v1::MeterRecord& meter = *report.add_meters();
      meter.set_lease(lease.id.value);
      meter.set_sequence(lease.meter_sequence + 1);
      meter.set_running_us(proven.value);
    }
    apply(command);
  }

  std::uint64_t provider_ = 0;
  std::uint64_t renter_ = 0;
  std::uint64_t node_ = 0;
};

// Whatever is used of whatever term, at whatever discounts: the bill is the price of the term
// really reached, and never more than that of the whole term.
TEST_F(ReservedTest, TheBillNeverPassesTheTermsPrice) {
  const std::unique_ptr<Random> random = seeded_random(5);
  constexpr Duration kTerms[] = {minutes(20), hours(1), hours(24), hours(168), hours(720)};
  int rerated = 0;
  int capped = 0;
  for (int i = 0; i < 300; ++i) {
    std::array<std::uint32_t, 4> off{};
    for (std::uint32_t& discount : off) discount = static_cast<std::uint32_t>(random->below(5'001));
    std::sort(off.begin(), off.end());
    set_discounts(off[0], off[1], off[2], off[3]);
    const Duration term = kTerms[random->below(5)];
    const Lease& lease = reserve(term);
    const auto used = Duration(
        static_cast<std::int64_t>(random->below(static_cast<std::uint64_t>(term.value) + 1)));
    observe(lease, used, v1::COMPLETED);
    ASSERT_EQ(lease.state, v1::ENDED);
    const std::int64_t full = (lease.rate_hour.value * term.value) / kHour.value;
    EXPECT_EQ(lease.hold.value, full);
    EXPECT_LE(lease.charged, lease.hold);
    EXPECT_GE(lease.charged.value, lease.rate_hour.value * used.value / kHour.value);
    rerated += lease.rerated_hour.value > 0 ? 1 : 0;
    capped += lease.charged == lease.hold && used < term ? 1 : 0;
    // One offer remembers eight dearer prices; quotes that could need them run out meanwhile.
    now_ = now_ + hours(1);
  }
  EXPECT_GT(rerated, 100);
  EXPECT_GT(capped, 3);
}

TEST_F(ReservedTest, WhoIsNotToBlameIsNotReRated) {
  set_discounts(0, 1'000, 2'000, 3'000);
  for (const v1::EndReason reason :
       {v1::DEVICE_FAULT, v1::HOST_LOST, v1::WORKLOAD_LOST, v1::OWNER_RETURNED}) {
    const Lease& lease = reserve(hours(168));
    observe(lease, hours(30), reason);
    EXPECT_EQ(lease.rerated_hour, Micros(0)) << v1::EndReason_Name(reason);
    EXPECT_EQ(lease.charged, Micros(24'000'000)) << v1::EndReason_Name(reason);
    v1::Command stop;
    stop.mutable_stop_order()->set_order(lease.order.value);
    apply(stop, renter_);
    for (const LeaseId id : machine_.order(lease.order)->leases) {
      if (is_open(*machine_.lease(id))) observe(*machine_.lease(id), Duration(0), v1::STOPPED);
    }
    ASSERT_NE(machine_.order(lease.order)->state, v1::OPEN);
  }
}

// The owner is home, the agent was told to stop, and only then the renter stops it, too.
TEST_F(ReservedTest, WhoStopsAfterTheOwnerCameHomeIsNotReRated) {
  set_discounts(0, 1'000, 2'000, 3'000);
  const Lease& lease = reserve(hours(168));
  observe(lease, hours(30), v1::END_REASON_UNSPECIFIED);
  v1::Command home;
  home.mutable_observe()->set_node(node_);
  home.mutable_observe()->set_owner(v1::OWNER_PRESENT);
  apply(home);
  now_ = now_ + hours(24 * 300) + minutes(1);
  observe(lease, Duration(0), v1::END_REASON_UNSPECIFIED);  // not silent, but it does not evict
  v1::Command tick;
  tick.mutable_tick();
  apply(tick);
  ASSERT_EQ(lease.state, v1::STOPPING);
  v1::Command stop;
  stop.mutable_stop_lease()->set_lease(lease.id.value);
  apply(stop, renter_);
  observe(lease, Duration(0), v1::STOPPED);
  ASSERT_EQ(lease.reason, v1::STOPPED);
  EXPECT_EQ(lease.rerated_hour, Micros(0));
  EXPECT_EQ(lease.charged, Micros(24'000'000));
}

TEST_F(ReservedTest, ABudgetBelowTheTermsPriceIsRefused) {
  set_discounts(0, 1'000, 2'000, 3'000);
  v1::Command command = submit(renter_);
  v1::SubmitOrder& order = *command.mutable_submit_order();
  order.mutable_requirements()->set_tier(v1::RESERVED);
  order.mutable_requirements()->set_duration_us(hours(168).value);
  order.set_budget_micros_max(134'399'999);  // a week is 0.80 * 168
  EXPECT_EQ(refusal_of(command, renter_), v1::VALUE_INVALID);
  command.mutable_submit_order()->set_budget_micros_max(134'400'000);
  EXPECT_EQ(refusal_of(command, renter_), v1::REFUSAL_UNSPECIFIED);
}

TEST_F(ReservedTest, LeasesAndQuotesKeepTheirDiscount) {
  set_discounts(0, 1'000, 2'000, 3'000);
  v1::Requirements wanted;
  wanted.set_tier(v1::RESERVED);
  wanted.set_duration_us(hours(24).value);
  const auto estimate = machine_.estimate(wanted, 1, now_);
  ASSERT_TRUE(estimate);
  EXPECT_EQ(estimate->quote.total_micros(), 21'600'000);
  EXPECT_EQ(estimate->discount_hour, Micros(100'000));
  set_discounts(0, 0, 0, 0);
  v1::Command command = submit(renter_);
  *command.mutable_submit_order()->mutable_quote() = estimate->quote;
  *command.mutable_submit_order()->mutable_requirements() = estimate->quote.requirements();
  command.mutable_submit_order()->set_wait(false);
  const std::uint64_t lease_id = next_id() + 1;
  ASSERT_EQ(refusal_of(command, renter_), v1::REFUSAL_UNSPECIFIED);
  const Lease& lease = *machine_.lease(LeaseId(lease_id));
  EXPECT_EQ(lease.rate_hour, Micros(900'000));
  EXPECT_EQ(lease.device_hour, Micros(1'000'000));
  EXPECT_EQ(lease.discounts, (Discounts{0, 1'000, 2'000, 3'000}));
}

}  // namespace
}  // namespace fallow::core
