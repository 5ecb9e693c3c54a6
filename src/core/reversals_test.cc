// Threat 16: a deposit that its rail takes back. See also
// tests/scenarios/52-a-deposit-that-is-taken-back.txt.
#include "core/reversals.h"

#include <algorithm>
#include <vector>

#include "base/env.h"
#include "core/test_machine.h"

namespace fallow::core {
namespace {

constexpr std::int64_t kSecondMicros = 1'000;  // what a second of a node costs here

class ReversalsTest : public MachineTest {
 protected:
  void found_with(Duration delay) {
    v1::Command command = test_found();
    v1::Policy& policy = *command.mutable_found()->mutable_policy();
    policy.set_holds_deposits(true);
    policy.set_payout_delay_us(delay.value);
    // However seldom a node speaks, that ends nothing.
    policy.set_suspend_after_us(hours(100).value);
    policy.set_close_after_us(hours(100).value);
    policy.set_start_timeout_us(hours(100).value);
    ASSERT_EQ(refusal_of(command), v1::REFUSAL_UNSPECIFIED);
  }
  void pay_in(std::uint64_t account, std::int64_t micros, const std::string& reference) {
    v1::Command command;
    command.mutable_deposit()->set_account(account);
    command.mutable_deposit()->set_amount_micros(micros);
    command.mutable_deposit()->set_reference(reference);
    ASSERT_EQ(refusal_of(command), v1::REFUSAL_UNSPECIFIED);
  }
  v1::Refusal pay_out(std::uint64_t account, std::int64_t micros) {
    v1::Command command;
    command.mutable_withdraw()->set_account(account);
    command.mutable_withdraw()->set_amount_micros(micros);
    command.mutable_withdraw()->set_destination("bank");
    return refusal_of(command, account);
  }
  v1::Refusal reverse(const std::string& reference, std::uint64_t actor = 0) {
    v1::Command command;
    command.mutable_reverse_deposit()->set_reference(reference);
    return refusal_of(command, actor);
  }
  v1::Refusal order(std::uint64_t renter, Duration time) {
    v1::Command command = submit(renter);
    command.mutable_submit_order()->mutable_requirements()->set_duration_us(time.value);
    command.mutable_submit_order()->set_attempts_max(1);
    return refusal_of(command, renter);
  }
  // Each lease of the node has run since its placement, for `most` at most; the word that it runs
  // or has ended.
  void report(std::uint64_t node, v1::LeaseState state, Duration most = hours(1)) {
    v1::Command command;
    v1::Observe& observe = *command.mutable_observe();
    observe.set_node(node);
    for (const LeaseId id : machine_.node(NodeId(node))->leases) {
      const Lease& lease = *machine_.lease(id);
      v1::WorkloadReport& told = *observe.add_workloads();
      told.set_lease(id.value);
      told.set_state(state);
      if (state == v1::ENDED) told.set_reason(v1::COMPLETED);
      v1::MeterRecord& meter = *told.add_meters();
      meter.set_lease(id.value);
      meter.set_sequence(lease.meter_sequence + 1);
      meter.set_running_us(std::max(lease.proven, std::min(now_ - lease.placed_at, most)).value);
    }
    apply(command);
  }
  void ticks_until(Time at) {
    for (int n = 0; n < 1'000; ++n) {
      const auto next = machine_.next_deadline();
      if (!next || *next > at) break;
      now_ = std::max(now_, *next);
      v1::Command command;
      command.mutable_tick();
      apply(command);
    }
    now_ = std::max(now_, at);
  }
  std::int64_t balance(std::uint64_t account, v1::LedgerKind kind) const {
    return machine_.ledger().balance({AccountId(account), kind}).value;
  }
};

// A thief who rents from himself has until the delay to take the money out, and so has the rail.
TEST_F(ReversalsTest, WhatItWasSpentOnIsHadBack) {
  found_with(hours(24));
  const std::uint64_t accomplice = open(v1::PROVIDER);
  const std::uint64_t thief = open(v1::RENTER);
  const std::uint64_t attic = node(accomplice, 3'600 * kSecondMicros);
  pay_in(thief, 100 * kSecondMicros, "card");
  EXPECT_EQ(pay_out(thief, 1), v1::NO_FUNDS) << "it came in just now";
  ASSERT_EQ(order(thief, seconds(100)), v1::REFUSAL_UNSPECIFIED);
  now_ = now_ + seconds(60);
  report(attic, v1::ENDED, seconds(40));
  const Time ended_at = now_;
  ASSERT_EQ(balance(accomplice, v1::PENDING), 38 * kSecondMicros);
  ASSERT_EQ(balance(0, v1::MARKET_FEE), 2 * kSecondMicros);

  now_ = now_ + hours(23);
  EXPECT_EQ(reverse("card", thief), v1::NOT_ALLOWED);
  EXPECT_EQ(reverse("another"), v1::NOT_FOUND);
  ASSERT_EQ(reverse("card"), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(balance(thief, v1::WALLET), 0);
  EXPECT_EQ(balance(thief, v1::OWED), -40 * kSecondMicros);
  EXPECT_EQ(balance(0, v1::OUTSIDE), 0) << "the rails have it all";
  EXPECT_EQ(order(thief, seconds(1)), v1::NO_FUNDS);
  EXPECT_EQ(reverse("card"), v1::REFUSAL_UNSPECIFIED);
  ASSERT_EQ(events_.size(), 1U);
  EXPECT_EQ(events_[0].repeated().entity(), thief) << "it is taken back once";
  restored();

  ticks_until(ended_at + hours(24) + seconds(1));
  EXPECT_EQ(balance(accomplice, v1::PENDING), 0);
  EXPECT_EQ(balance(accomplice, v1::EARNED), 0);
  EXPECT_EQ(balance(0, v1::MARKET_FEE), 0);
  EXPECT_EQ(balance(thief, v1::OWED), 0);
}

TEST_F(ReversalsTest, OrdersStopAndWhatTheyHoldIsHadBack) {
  found_with(hours(24));
  const std::uint64_t provider = open(v1::PROVIDER);
  const std::uint64_t renter = open(v1::RENTER);
  const std::uint64_t attic = node(provider, 3'600 * kSecondMicros);
  pay_in(renter, 100 * kSecondMicros, "card");
  ASSERT_EQ(order(renter, seconds(100)), v1::REFUSAL_UNSPECIFIED);
  report(attic, v1::RUNNING);
  ASSERT_EQ(reverse("card"), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(machine_.counts().leases_open, 1U) << "its node is to stop it first";
  EXPECT_LT(balance(renter, v1::OWED), 0);
  report(attic, v1::ENDED, Duration(0));
  EXPECT_EQ(machine_.counts().orders_open, 0U);
  EXPECT_EQ(balance(renter, v1::HELD), 0);
  EXPECT_EQ(balance(renter, v1::WALLET), 0);
}

TEST_F(ReversalsTest, WhatComesInLaterPaysWhatIsOwed) {
  found_with(hours(1));
  const std::uint64_t provider = open(v1::PROVIDER);
  const std::uint64_t renter = open(v1::RENTER);
  const std::uint64_t attic = node(provider, 3'600 * kSecondMicros);
  pay_in(renter, 10 * kSecondMicros, "card");
  ASSERT_EQ(order(renter, seconds(10)), v1::REFUSAL_UNSPECIFIED);
  now_ = now_ + seconds(20);
  report(attic, v1::ENDED, seconds(10));
  ticks_until(now_ + hours(2));
  EXPECT_EQ(balance(provider, v1::EARNED), 9'500) << "it was too late to have that back";
  ASSERT_EQ(reverse("card"), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(balance(renter, v1::OWED), -10 * kSecondMicros);
  pay_in(renter, 4 * kSecondMicros, "bank 1");
  EXPECT_EQ(balance(renter, v1::WALLET), 0);
  EXPECT_EQ(balance(renter, v1::OWED), -6 * kSecondMicros);
  restored();
  pay_in(renter, 9 * kSecondMicros, "bank 2");
  EXPECT_EQ(balance(renter, v1::WALLET), 3 * kSecondMicros);
  EXPECT_EQ(balance(renter, v1::OWED), 0);
  EXPECT_EQ(balance(provider, v1::EARNED), 9'500);
}

TEST_F(ReversalsTest, WhatCannotBeTakenBackAnyMoreMayLeave) {
  found_with(hours(1));
  const std::uint64_t renter = open(v1::RENTER);
  pay_in(renter, 5, "one");
  ticks_until(now_ + minutes(59));
  pay_in(renter, 7, "two");
  EXPECT_EQ(pay_out(renter, 1), v1::NO_FUNDS);
  ticks_until(now_ + minutes(2));
  EXPECT_EQ(pay_out(renter, 6), v1::NO_FUNDS);
  EXPECT_EQ(pay_out(renter, 5), v1::REFUSAL_UNSPECIFIED);
  restored();
  ASSERT_EQ(reverse("two"), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(balance(renter, v1::OWED), 0);
  EXPECT_EQ(machine_.next_deadline(), std::nullopt) << "nothing is waited for";
}

// The first deposit pays for a lease, the second for what is owed when the first is taken back:
// when the second is, too, what is left of the money are the lease's earnings.
TEST_F(ReversalsTest, EarningsWaitForWhatPaidADebt) {
  found_with(hours(24));
  const std::uint64_t accomplice = open(v1::PROVIDER);
  const std::uint64_t thief = open(v1::RENTER);
  const std::uint64_t attic = node(accomplice, 3'600 * kSecondMicros);
  pay_in(thief, 40 * kSecondMicros, "one");
  ASSERT_EQ(order(thief, seconds(40)), v1::REFUSAL_UNSPECIFIED);
  now_ = now_ + seconds(60);
  report(attic, v1::ENDED, seconds(40));
  const Time ended_at = now_;
  ticks_until(ended_at + hours(20));
  pay_in(thief, 40 * kSecondMicros, "two");
  const Time firm_at = now_ + hours(24);
  ASSERT_EQ(reverse("one"), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(balance(thief, v1::OWED), 0);
  EXPECT_EQ(balance(thief, v1::WALLET), 0);
  ticks_until(ended_at + hours(25));
  EXPECT_EQ(balance(accomplice, v1::PENDING), 38 * kSecondMicros) << "they wait";
  ASSERT_EQ(reverse("two"), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(balance(thief, v1::OWED), -40 * kSecondMicros);
  ticks_until(firm_at);
  EXPECT_EQ(balance(accomplice, v1::EARNED), 0);
  EXPECT_EQ(balance(thief, v1::OWED), 0);
  EXPECT_EQ(balance(0, v1::OUTSIDE), 0) << "the rails have it all";
}

TEST_F(ReversalsTest, EarningsWaitNoLongerThanThat) {
  found_with(hours(24));
  const std::uint64_t provider = open(v1::PROVIDER);
  const std::uint64_t renter = open(v1::RENTER);
  const std::uint64_t attic = node(provider, 3'600 * kSecondMicros);
  pay_in(renter, 40 * kSecondMicros, "one");
  ASSERT_EQ(order(renter, seconds(40)), v1::REFUSAL_UNSPECIFIED);
  now_ = now_ + seconds(60);
  report(attic, v1::ENDED, seconds(40));
  ticks_until(now_ + hours(20));
  pay_in(renter, 40 * kSecondMicros, "two");
  const Time firm_at = now_ + hours(24);
  ASSERT_EQ(reverse("one"), v1::REFUSAL_UNSPECIFIED);
  ticks_until(firm_at - seconds(1));
  pay_in(renter, 40 * kSecondMicros, "three");
  EXPECT_EQ(balance(provider, v1::EARNED), 0);
  ticks_until(firm_at);
  EXPECT_EQ(balance(provider, v1::EARNED), 38 * kSecondMicros) << "what came later paid no debt";
}

// Two people with the same aim, at random: they pay in, rent from themselves and from an honest
// provider, cut leases short, take out what they can, and have deposits taken back at any moment of
// the payout delay. The market never loses a micro by it.
class ChargebackTest : public ReversalsTest, public testing::WithParamInterface<std::uint64_t> {};

TEST_P(ChargebackTest, NetsNothing) {
  const Duration delay = hours(2);
  found_with(delay);
  const auto random = seeded_random(GetParam());
  const std::uint64_t thief = open(v1::RENTER);
  const std::uint64_t accomplice = open(v1::PROVIDER);
  const std::uint64_t honest = open(v1::PROVIDER);
  const std::vector<std::uint64_t> nodes = {node(accomplice, 3'600 * kSecondMicros),
                                            node(honest, 3'700 * kSecondMicros)};
  struct PaidIn {
    std::string reference;
    Time at;
    std::int64_t amount;
  };
  std::vector<PaidIn> paid_in;
  int reversed = 0;
  int paid_out = 0;
  int indebted = 0;
  for (int step = 0; step < 600; ++step) {
    ticks_until(now_ + seconds(static_cast<std::int64_t>(random->below(600))));
    const std::uint64_t some_node = nodes[random->below(nodes.size())];
    const auto some_money = static_cast<std::int64_t>(1 + random->below(300 * kSecondMicros));
    switch (random->below(8)) {
      case 0:
        paid_in.push_back({"card " + std::to_string(step), now_, some_money});
        pay_in(thief, some_money, paid_in.back().reference);
        break;
      case 1:
      case 2:
        order(thief, seconds(static_cast<std::int64_t>(1 + random->below(200))));
        break;
      case 3:
        report(some_node, v1::RUNNING, seconds(static_cast<std::int64_t>(random->below(200))));
        break;
      case 4:
      case 5:
        report(some_node, v1::ENDED, seconds(static_cast<std::int64_t>(random->below(200))));
        break;
      case 6: {
        const std::uint64_t who = random->below(2) == 0 ? thief : accomplice;
        if (pay_out(who, some_money / 4) == v1::REFUSAL_UNSPECIFIED) ++paid_out;
        break;
      }
      default: {
        std::erase_if(paid_in,
                      [&](const PaidIn& each) { return each.at + delay <= now_ + seconds(1); });
        if (paid_in.empty()) break;
        const auto taken =
            paid_in.begin() + static_cast<std::ptrdiff_t>(random->below(paid_in.size()));
        // Most wait until they have spent it.
        if (balance(thief, v1::WALLET) >= taken->amount && random->below(4) != 0) break;
        ASSERT_EQ(reverse(taken->reference), v1::REFUSAL_UNSPECIFIED);
        paid_in.erase(taken);
        ++reversed;
        if (balance(thief, v1::OWED) < 0) ++indebted;
        break;
      }
    }
  }
  // Until the last of the orders that waited has had its turn.
  for (int n = 0; n < 1'000 && machine_.counts().orders_open > 0; ++n) {
    for (const std::uint64_t id : nodes) report(id, v1::ENDED, Duration(0));
    ticks_until(now_ + seconds(20));
  }
  ticks_until(now_ + hours(24));
  EXPECT_EQ(machine_.counts().orders_open, 0U);
  EXPECT_EQ(balance(thief, v1::OWED), 0);
  EXPECT_GE(balance(0, v1::MARKET_FEE), 0);
  EXPECT_GT(reversed, 0);
  EXPECT_GT(indebted, 0) << "else nothing was tried";
  EXPECT_GT(paid_out, 0);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ChargebackTest, testing::Range<std::uint64_t>(1, 9));

}  // namespace
}  // namespace fallow::core
