// Every route for every role: of a key in its own account, and of a member in a team.
#include <gtest/gtest.h>

#include <set>

#include "server/access_rows_test.h"
#include "server/access_world_test.h"
#include "server/router.h"

namespace fallow::server {
namespace {

constexpr std::pair<char, const char*> kRoles[] = {
    {'v', "VIEWER"}, {'b', "BILLING"}, {'m', "MEMBER"}, {'o', "OWNER"}};

bool is_let_in(int status) { return status < 300 || status == 426; }

// The first who may ask it at all; kNobody: no key is needed, or nobody may.
Who asker_of(const AccessRow& row) {
  if (row.status[kNobody] != 401) return kNobody;
  for (std::size_t at = kRenter; at < kCallers; ++at) {
    if (is_let_in(row.status[at])) return static_cast<Who>(at);
  }
  return kNobody;
}

// Asks every row as every role. Those who may not come first: nothing may have changed by them.
void ask_as_every_role(bool as_member) {
  UnchangedWorld unchanged;
  for (const AccessRow& row : kAccessTable) {
    const Who asker = asker_of(row);
    if (asker == kNobody) continue;
    unchanged.next_row();
    for (const bool may : {false, true}) {
      for (const auto& [letter, role] : kRoles) {
        if (role_may(row, letter) != may) continue;
        AccessWorld& world = unchanged.get();
        const std::string key =
            as_member ? world.key_of_member(asker, role) : world.key_of_role(asker, role);
        const Reply reply =
            world.ask(row, key, "", "same-origin", as_member ? world.account_of(asker) : "");
        EXPECT_EQ(reply.status, may ? row.status[asker] : 403)
            << row.route << " as " << role << (as_member ? " of a team: " : ": ") << reply.body;
        if (!may) {
          EXPECT_EQ(reply.at("code"), "not_allowed") << row.route;
        }
        unchanged.answered(row, reply);
      }
    }
  }
}

TEST(AccessRoles, EveryRouteIsForTheRolesThatItSays) { ask_as_every_role(false); }

TEST(AccessRoles, AMemberMayInATeamWhatItsRoleMay) { ask_as_every_role(true); }

// The schema says the same as the table: nothing was forgotten on either side.
TEST(AccessRoles, TheSchemaSaysTheSame) {
  const Router router;
  std::set<std::string> listed;
  for (const AccessRight& right : kAccessRights) listed.insert(right.route);
  EXPECT_EQ(listed.size(), std::size(kAccessRights));
  for (const Route& route : router.routes()) {
    const bool more_than_reading =
        route.right != v1::RIGHT_UNSPECIFIED && route.right != v1::MAY_READ;
    EXPECT_EQ(listed.contains(route.method + " " + route.path), more_than_reading) << route.path;
  }
}

// A member may what the account may: a key that may less, or not for ever, does not give that.
TEST(AccessRoles, NoKeyGivesMembersMoreThanItHas) {
  AccessWorld world;
  LoopbackMarket& market = world.market();
  const std::string both = world.key_of_both();
  const std::string member = market.account_of(market.add_account("member", "PROVIDER"));
  const auto set_by = [&](const std::string& body) {
    const Reply made = market.post("/v1/keys", both, body);
    EXPECT_EQ(made.status, 200) << made.body;
    return market.put("/v1/members/" + member, made.at("api_key"), R"({"role": "OWNER"})").status;
  };
  EXPECT_EQ(set_by(R"({"scopes": ["RENTER"]})"), 403);
  EXPECT_EQ(set_by(R"({"hours": 1})"), 403);
  EXPECT_EQ(set_by("{}"), 200);
}

// Nobody is made a member: it is asked, and is none, and not known by its name, until it says so.
TEST(AccessRoles, WhoIsInvitedIsLetInOnceItHasAccepted) {
  LoopbackMarket market;
  const People people(market);
  const std::string& team = market.account_of(people.renter);
  const std::string member = market.account_of(people.other);
  const net::Headers for_team{{"Fallow-Team", team}};
  const auto invite = [&] {
    return market.put("/v1/members/" + member, people.renter, R"({"role": "VIEWER"})");
  };
  const Reply invited = invite();
  ASSERT_EQ(invited.status, 200) << invited.body;
  EXPECT_EQ(invited.at("invited"), "true");
  EXPECT_EQ(invited.at("member_name"), "");
  EXPECT_EQ(market.get("/v1/members", people.renter).at("members.0.member_name"), "");
  EXPECT_EQ(market.get("/v1/account", people.other, for_team).status, 404);
  const Reply seen = market.get("/v1/teams", people.other);
  EXPECT_EQ(seen.at("teams.0.account_name"), "renter") << seen.body;
  EXPECT_EQ(seen.at("teams.0.invited"), "true");
  EXPECT_EQ(market.put("/v1/teams/" + team, people.provider, "{}").status, 404);
  EXPECT_EQ(market.put("/v1/teams/" + team, market.operator_key(), "{}").status, 404);
  const Reply joined = market.put("/v1/teams/" + team, people.other, "{}");
  ASSERT_EQ(joined.status, 200) << joined.body;
  EXPECT_EQ(joined.at("role"), "VIEWER");
  EXPECT_EQ(market.get("/v1/account", people.other, for_team).at("id"), team);
  EXPECT_EQ(market.get("/v1/members", people.renter).at("members.0.member_name"), "other");
  // Another role is no other question.
  EXPECT_EQ(invite().at("invited"), "false");
  EXPECT_EQ(market.send("DELETE", "/v1/teams/" + team, people.other, "", {}).status, 200);
  // Declined, or taken back, without having become known.
  for (const auto& [path, key] : {std::pair("/v1/teams/" + team, people.other),
                                  std::pair("/v1/members/" + member, people.renter)}) {
    ASSERT_EQ(invite().status, 200);
    const Reply ended = market.send("DELETE", path, key, "", {});
    EXPECT_EQ(ended.status, 200) << ended.body;
    EXPECT_EQ(ended.at("member_name"), "");
    EXPECT_EQ(market.put("/v1/teams/" + team, people.other, "{}").status, 404);
  }
}

// What is somebody's is nobody's else, also for members of another team.
TEST(AccessRoles, NobodyActsForAnAccountWithoutBeingAMember) {
  AccessWorld world;
  for (const AccessRow& row : kAccessTable) {
    if (asker_of(row) == kNobody) continue;
    const Reply reply =
        world.ask(row, world.key(kOtherRenter), "", "same-origin", world.account_of(kRenter));
    EXPECT_EQ(reply.status, 404) << row.route << ": " << reply.body;
    if (!std::string_view(row.route).starts_with("HEAD ")) {
      EXPECT_EQ(reply.at("code"), "account_unknown") << row.route;
    }
    EXPECT_EQ(world.ask(row, world.key(kRenter), "", "same-origin", "nonsense").status, 400)
        << row.route;
  }
}

}  // namespace
}  // namespace fallow::server
