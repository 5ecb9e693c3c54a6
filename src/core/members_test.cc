// Keys with roles, and who may act for whom.
#include <gtest/gtest.h>

#include "core/test_machine.h"

namespace fallow::core {
namespace {

class MembersTest : public MachineTest {
 protected:
  static v1::Command set(std::uint64_t account, std::uint64_t member, v1::Role role) {
    v1::Command command;
    command.mutable_set_member()->set_account(account);
    command.mutable_set_member()->set_member(member);
    command.mutable_set_member()->set_role(role);
    return command;
  }
  static v1::Command key(std::uint64_t account, std::uint64_t number, v1::Role role) {
    v1::Command command;
    v1::AddKey& add = *command.mutable_add_key();
    add.set_account(account);
    add.set_secret_hash(test_hash(number));
    add.add_scopes(v1::RENTER);
    add.set_role(role);
    return command;
  }
  static v1::Command invite(std::uint64_t account, std::uint64_t member, v1::Role role) {
    v1::Command command = set(account, member, role);
    command.mutable_set_member()->set_invite(true);
    return command;
  }
  static v1::Command join(std::uint64_t account) {
    v1::Command command;
    command.mutable_join_team()->set_account(account);
    return command;
  }
  const ApiKey* stored(std::uint64_t number) const {
    return machine_.key(*digest_from_bytes(test_hash(number)));
  }
};

TEST_F(MembersTest, ARoleIsGivenChangedAndTakenAway) {
  found();
  const std::uint64_t team = open(v1::RENTER);
  const std::uint64_t member = open(v1::RENTER);
  const std::uint64_t other = open(v1::RENTER);
  EXPECT_EQ(refusal_of(set(team, member, v1::VIEWER), other), v1::NOT_ALLOWED);
  EXPECT_EQ(refusal_of(set(team, team, v1::VIEWER), team), v1::VALUE_INVALID);
  EXPECT_EQ(refusal_of(set(team, 12'345, v1::VIEWER), team), v1::ACCOUNT_UNKNOWN);
  EXPECT_EQ(refusal_of(set(team, member, static_cast<v1::Role>(9)), team), v1::VALUE_INVALID);
  EXPECT_EQ(refusal_of(set(team, member, v1::VIEWER), team), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(machine_.role_in(AccountId(team), AccountId(member)), v1::VIEWER);
  EXPECT_EQ(machine_.role_in(AccountId(member), AccountId(team)), std::nullopt);
  EXPECT_EQ(refusal_of(set(team, member, v1::OWNER), team), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(machine_.role_in(AccountId(team), AccountId(member)), v1::OWNER);
  std::size_t teams = 0;
  machine_.visit_teams(AccountId(member),
                       [&](AccountId account, AccountId who, const Membership& membership) {
                         EXPECT_EQ(account.value, team);
                         EXPECT_EQ(who.value, member);
                         EXPECT_EQ(membership.role, v1::OWNER);
                         EXPECT_FALSE(membership.invited);
                         return ++teams > 0;
                       });
  EXPECT_EQ(teams, 1U);
  EXPECT_EQ(refusal_of(set(team, member, v1::ROLE_UNSPECIFIED), other), v1::NOT_ALLOWED);
  // Who is a member leaves by himself.
  EXPECT_EQ(refusal_of(set(team, member, v1::ROLE_UNSPECIFIED), member), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(machine_.role_in(AccountId(team), AccountId(member)), std::nullopt);
  EXPECT_EQ(refusal_of(set(team, member, v1::ROLE_UNSPECIFIED), member), v1::NOT_FOUND);
}

// Nobody is made a member of anything: not by a team, and not by an operator either.
TEST_F(MembersTest, WhoIsInvitedMayNothingBeforeHeAccepts) {
  found();
  const std::uint64_t team = open(v1::RENTER);
  const std::uint64_t member = open(v1::RENTER);
  const std::uint64_t operating = open(v1::OPERATOR);
  const auto role = [&] { return machine_.role_in(AccountId(team), AccountId(member)); };
  ASSERT_EQ(refusal_of(invite(team, member, v1::VIEWER), team), v1::REFUSAL_UNSPECIFIED);
  EXPECT_TRUE(events_[0].member_set().invited());
  EXPECT_EQ(role(), std::nullopt);
  // Another role is another invitation.
  ASSERT_EQ(refusal_of(invite(team, member, v1::BILLING), team), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(role(), std::nullopt);
  EXPECT_EQ(refusal_of(join(team), team), v1::NOT_FOUND);
  EXPECT_EQ(refusal_of(join(team), operating), v1::NOT_FOUND);
  EXPECT_EQ(refusal_of(join(team)), v1::ACCOUNT_UNKNOWN) << "the market itself accepts nothing";
  EXPECT_EQ(role(), std::nullopt);
  ASSERT_EQ(refusal_of(join(team), member), v1::REFUSAL_UNSPECIFIED);
  EXPECT_FALSE(events_[0].member_set().invited());
  EXPECT_EQ(events_[0].member_set().role(), v1::BILLING);
  EXPECT_EQ(role(), v1::BILLING);
  EXPECT_EQ(refusal_of(join(team), member), v1::REFUSAL_UNSPECIFIED) << "as it is already";
  // A member is not asked about another role.
  ASSERT_EQ(refusal_of(invite(team, member, v1::OWNER), team), v1::REFUSAL_UNSPECIFIED);
  EXPECT_FALSE(events_[0].member_set().invited());
  EXPECT_EQ(role(), v1::OWNER);
}

TEST_F(MembersTest, AnInvitationIsDeclinedOrTakenBack) {
  found();
  const std::uint64_t team = open(v1::RENTER);
  const std::uint64_t member = open(v1::RENTER);
  for (const std::uint64_t by : {member, team}) {
    ASSERT_EQ(refusal_of(invite(team, member, v1::OWNER), team), v1::REFUSAL_UNSPECIFIED);
    ASSERT_EQ(refusal_of(set(team, member, v1::ROLE_UNSPECIFIED), by), v1::REFUSAL_UNSPECIFIED);
    EXPECT_TRUE(events_[0].member_set().invited()) << "it never was one";
    EXPECT_EQ(refusal_of(join(team), member), v1::NOT_FOUND);
  }
}

TEST_F(MembersTest, AnInvitationOutlivesASnapshot) {
  found();
  const std::uint64_t team = open(v1::RENTER);
  const std::uint64_t member = open(v1::RENTER);
  ASSERT_EQ(refusal_of(invite(team, member, v1::BILLING), team), v1::REFUSAL_UNSPECIFIED);
  std::string bytes;
  machine_.snapshot([&](std::string_view piece) { bytes += piece; });
  Machine other;
  std::size_t at = 0;
  const Status restored = other.restore([&](char* into, std::size_t size) -> Result<std::size_t> {
    const std::size_t count = bytes.copy(into, size, at);
    at += count;
    return count;
  });
  ASSERT_TRUE(restored) << restored.error().message;
  EXPECT_EQ(other.digest(), machine_.digest());
  std::size_t members = 0;
  other.visit_members(AccountId(team), [&](AccountId, AccountId, const Membership& membership) {
    EXPECT_TRUE(membership.invited);
    EXPECT_EQ(membership.role, v1::BILLING);
    return ++members > 0;
  });
  EXPECT_EQ(members, 1U);
  // Accepting is a change of the state.
  ASSERT_EQ(refusal_of(join(team), member), v1::REFUSAL_UNSPECIFIED);
  EXPECT_NE(other.digest(), machine_.digest());
}

TEST_F(MembersTest, ATeamHasItsMost) {
  found();
  const std::uint64_t team = open(v1::RENTER);
  for (std::size_t i = 0; i < Limits().members_per_account_max; ++i) {
    ASSERT_EQ(refusal_of(set(team, open(v1::RENTER), v1::VIEWER)), v1::REFUSAL_UNSPECIFIED);
  }
  EXPECT_EQ(refusal_of(set(team, open(v1::RENTER), v1::VIEWER)), v1::LIMIT_REACHED);
}

TEST_F(MembersTest, AKeyKeepsItsRoleAndWhenItWasMade) {
  found();
  const std::uint64_t renter = open(v1::RENTER);
  EXPECT_EQ(refusal_of(key(renter, 50, static_cast<v1::Role>(9)), renter), v1::VALUE_INVALID);
  ASSERT_EQ(refusal_of(key(renter, 50, v1::BILLING), renter), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(events_[0].key_added().key(), to_hex(test_hash(50)).substr(0, 16));
  EXPECT_EQ(stored(50)->role, v1::BILLING);
  EXPECT_EQ(stored(50)->created_at, now_);
}

// By the log's clock: what has expired makes room, what has not does not.
TEST_F(MembersTest, ExpiredKeysMakeRoom) {
  found();
  const std::uint64_t renter = open(v1::RENTER);
  const std::size_t most = Limits().keys_per_account_max;
  v1::Command brief = key(renter, 1'000, v1::VIEWER);
  brief.mutable_add_key()->set_expires_at_us((now_ + hours(1)).us);
  ASSERT_EQ(refusal_of(brief), v1::REFUSAL_UNSPECIFIED);
  for (std::size_t i = 1; i < most; ++i) {
    ASSERT_EQ(refusal_of(key(renter, 1'000 + i, v1::OWNER)), v1::REFUSAL_UNSPECIFIED);
  }
  EXPECT_EQ(refusal_of(key(renter, 5'000, v1::OWNER)), v1::LIMIT_REACHED);
  // Of logs from before there were roles no account had a most.
  EXPECT_EQ(refusal_of(key(renter, 5'001, v1::ROLE_UNSPECIFIED)), v1::REFUSAL_UNSPECIFIED);
  v1::Command revoke;
  revoke.mutable_revoke_key()->set_secret_hash(test_hash(5'001));
  ASSERT_EQ(refusal_of(revoke), v1::REFUSAL_UNSPECIFIED);
  now_ = now_ + hours(1);
  EXPECT_EQ(refusal_of(key(renter, 5'000, v1::OWNER)), v1::REFUSAL_UNSPECIFIED);
  EXPECT_EQ(stored(1'000), nullptr);
  EXPECT_EQ(refusal_of(key(renter, 5'002, v1::OWNER)), v1::LIMIT_REACHED);
}

}  // namespace
}  // namespace fallow::core
