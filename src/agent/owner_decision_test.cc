#include "agent/owner_decision.h"

#include <gtest/gtest.h>

namespace fallow::agent {
namespace {

constexpr Time kStart{1'000'000'000};
const std::optional<std::string> kNothing;

TEST(OwnerDecision, PresentAtOnceAwayOnlyAfterAWhile) {
  OwnerDecision decision(minutes(10), {});
  ASSERT_TRUE(decision.look(kNothing, true, kStart));
  EXPECT_EQ(decision.state(), v1::OWNER_AWAY);
  const auto there = decision.look("a key", true, kStart + seconds(1));
  ASSERT_TRUE(there);
  EXPECT_EQ(there->state, v1::OWNER_PRESENT);
  EXPECT_EQ(there->why, "a key");
  EXPECT_FALSE(decision.look("another", true, kStart + seconds(2)));
  EXPECT_FALSE(decision.look(kNothing, true, kStart + minutes(10) + seconds(1)));
  const auto away = decision.look(kNothing, true, kStart + minutes(10) + seconds(2));
  ASSERT_TRUE(away);
  EXPECT_EQ(away->state, v1::OWNER_AWAY);
}

TEST(OwnerDecision, OutsideTheHoursItIsTheOwnersAndWithinThemAtOnceLentAgain) {
  OwnerDecision decision(minutes(10), {});
  EXPECT_EQ(decision.look(kNothing, false, kStart)->why, "outside the hours of the schedule");
  EXPECT_EQ(decision.look(kNothing, true, kStart + seconds(1))->state, v1::OWNER_AWAY);
  // Who is there when the hours begin is not driven away by them.
  EXPECT_TRUE(decision.look("a key", false, kStart + seconds(2)));
  EXPECT_FALSE(decision.look(kNothing, true, kStart + seconds(3)));
}

TEST(OwnerDecision, AnAgentThatStartsAgainRemembersWhoWasThere) {
  OwnerDecision decision(minutes(10), kStart - minutes(4));
  EXPECT_EQ(decision.look(kNothing, true, kStart)->state, v1::OWNER_PRESENT);
  EXPECT_FALSE(decision.look(kNothing, true, kStart + minutes(5)));
  EXPECT_EQ(decision.look(kNothing, true, kStart + minutes(6))->state, v1::OWNER_AWAY);
}

}  // namespace
}  // namespace fallow::agent
