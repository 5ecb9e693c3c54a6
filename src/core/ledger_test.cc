#include "core/ledger.h"

#include <gtest/gtest.h>

#include <limits>

namespace fallow::core {
namespace {

constexpr LedgerKey kWallet{AccountId(5), v1::WALLET};
constexpr LedgerKey kHeld{AccountId(5), v1::HELD};
constexpr Micros kAll(std::numeric_limits<std::int64_t>::max());

TEST(Ledger, MovesAndTells) {
  Ledger ledger;
  Events events;
  EXPECT_TRUE(ledger.transfer(kOutside, kWallet, Micros(7), v1::DEPOSITED, LeaseId(), events));
  EXPECT_TRUE(ledger.transfer(kWallet, kHeld, Micros(3), v1::HOLD_PLACED, LeaseId(9), events));
  EXPECT_EQ(ledger.balance(kWallet), Micros(4));
  EXPECT_EQ(ledger.balance(kHeld), Micros(3));
  EXPECT_EQ(ledger.balance(kOutside), Micros(-7));
  EXPECT_TRUE(ledger.balanced());
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[1].transferred().amount_micros(), 3);
  EXPECT_EQ(events[1].transferred().lease(), 9U);
  EXPECT_EQ(events[1].transferred().from_kind(), v1::WALLET);
}

TEST(Ledger, NothingIsOverdrawn) {
  Ledger ledger;
  Events events;
  EXPECT_FALSE(ledger.transfer(kWallet, kHeld, Micros(1), v1::HOLD_PLACED, LeaseId(), events));
  ASSERT_TRUE(ledger.transfer(kOutside, kWallet, Micros(5), v1::DEPOSITED, LeaseId(), events));
  EXPECT_FALSE(ledger.transfer(kWallet, kHeld, Micros(6), v1::HOLD_PLACED, LeaseId(), events));
  EXPECT_EQ(ledger.balance(kWallet), Micros(5));
  EXPECT_EQ(events.size(), 1U);
}

TEST(Ledger, NothingIsMovedForNothing) {
  Ledger ledger;
  Events events;
  EXPECT_TRUE(ledger.transfer(kWallet, kHeld, Micros(0), v1::HOLD_PLACED, LeaseId(), events));
  EXPECT_TRUE(events.empty());
  EXPECT_EQ(ledger.size(), 0U);
}

TEST(Ledger, StopsAtTheEndOfTheRange) {
  Ledger ledger;
  Events events;
  ASSERT_TRUE(ledger.transfer(kOutside, kWallet, kAll, v1::DEPOSITED, LeaseId(), events));
  EXPECT_FALSE(ledger.transfer(kOutside, kWallet, Micros(1), v1::DEPOSITED, LeaseId(), events));
  // To another account: the mirror of the rails would pass its own range.
  EXPECT_FALSE(ledger.transfer(kOutside, {AccountId(6), v1::WALLET}, Micros(2), v1::DEPOSITED,
                               LeaseId(), events));
  EXPECT_TRUE(ledger.balanced());
  EXPECT_EQ(events.size(), 1U);
}

TEST(Ledger, VisitsInOrderWithoutZeros) {
  Ledger ledger;
  Events events;
  for (const std::uint64_t account : {30U, 10U, 20U}) {
    ASSERT_TRUE(ledger.transfer(kOutside, {AccountId(account), v1::WALLET}, Micros(1),
                                v1::DEPOSITED, LeaseId(), events));
  }
  ASSERT_TRUE(ledger.transfer({AccountId(20), v1::WALLET}, kOutside, Micros(1), v1::WITHDRAWN,
                              LeaseId(), events));
  std::vector<LedgerKey> keys;
  ledger.visit([&](LedgerKey key, Micros) { keys.push_back(key); });
  EXPECT_EQ(keys, (std::vector<LedgerKey>{
                      kOutside, {AccountId(10), v1::WALLET}, {AccountId(30), v1::WALLET}}));
}

TEST(Ledger, RestoresOnlyWhatCanBe) {
  Ledger ledger;
  EXPECT_TRUE(ledger.restore(kWallet, Micros(4)));
  EXPECT_FALSE(ledger.restore(kWallet, Micros(4)));
  EXPECT_FALSE(ledger.restore(kHeld, Micros(-1)));
  EXPECT_FALSE(ledger.restore({AccountId(0), v1::WALLET}, Micros(1)));
  EXPECT_FALSE(ledger.restore({AccountId(5), v1::OUTSIDE}, Micros(1)));
  EXPECT_FALSE(ledger.restore({AccountId(5), static_cast<v1::LedgerKind>(60)}, Micros(1)));
  EXPECT_FALSE(ledger.balanced());
  EXPECT_TRUE(ledger.restore(kOutside, Micros(-4)));
  EXPECT_TRUE(ledger.balanced());
}

TEST(LedgerDeathTest, BugsStopTheProcess) {
  Ledger ledger;
  Events events;
  EXPECT_DEATH(
      (void)ledger.transfer(kOutside, kWallet, Micros(-1), v1::DEPOSITED, LeaseId(), events),
      "negative");
  EXPECT_DEATH((void)ledger.transfer(kWallet, kWallet, Micros(1), v1::DEPOSITED, LeaseId(), events),
               "no ledger accounts");
}

}  // namespace
}  // namespace fallow::core
