// Every route for every kind of caller, from one table. A route that has no row fails the test:
// whoever adds one says here whom it is for.
#include <gtest/gtest.h>

#include <set>

#include "server/access_rows_test.h"
#include "server/access_world_test.h"
#include "server/router.h"

namespace fallow::server {
namespace {

std::string words(const AccessRow& row, const char* who) {
  return fmt::format("{} {} as {}", row.route, row.target, who);
}

// Everything that openapi.json names, and the schema's descriptors with it.
std::set<std::string> routes_of(AccessWorld& world) {
  std::set<std::string> routes;
  const auto document = boost::json::parse(world.market().get("/v1/openapi.json", "").body);
  for (const auto& path : document.at("paths").as_object()) {
    for (const auto& operation : path.value().as_object()) {
      std::string method = operation.key();
      for (char& c : method) c = static_cast<char>(c - 'a' + 'A');
      routes.insert(fmt::format("{} {}", method, std::string_view(path.key())));
    }
  }
  const Router router;
  for (const Route& route : router.routes()) routes.insert(route.method + " " + route.path);
  return routes;
}

TEST(AccessTable, NamesEveryRouteAndNoOther) {
  AccessWorld world;
  const std::set<std::string> routes = routes_of(world);
  std::set<std::string> rows;
  for (const AccessRow& row : kAccessTable) rows.insert(row.route);
  EXPECT_GT(routes.size(), 40U);
  for (const std::string& route : routes) {
    EXPECT_TRUE(rows.contains(route)) << route << " has no row: say whom it is for";
  }
  const std::set<std::string> beside{"GET /healthz",  "GET /readyz",
                                     "GET /metrics",  "GET /v1/openapi.json",
                                     "GET /v1/agent", "GET /v1/leases/{lease}/tunnel"};
  for (const std::string& row : rows) {
    EXPECT_TRUE(routes.contains(row) || beside.contains(row)) << row << " is no route";
  }
}

std::vector<std::string> segments_of(std::string_view path) {
  std::vector<std::string> segments{""};
  for (const char c : path.substr(0, path.find('?'))) {
    if (c == '/')
      segments.emplace_back();
    else
      segments.back() += c;
  }
  return segments;
}

// A row that asks another route than its own would prove nothing of it.
TEST(AccessTable, EveryTargetIsOfItsRoute) {
  for (const AccessRow& row : kAccessTable) {
    if (*row.target == '\0') continue;
    const std::string_view route = row.route;
    const auto wanted = segments_of(route.substr(route.find(' ') + 1));
    const auto asked = segments_of(row.target);
    ASSERT_EQ(asked.size(), wanted.size()) << words(row, "anybody");
    for (std::size_t at = 0; at < wanted.size(); ++at) {
      if (!wanted[at].starts_with('{')) {
        EXPECT_EQ(asked[at], wanted[at]) << words(row, "anybody");
      }
    }
  }
}

// Who rents and provides may what either may.
int status_of_both(const AccessRow& row) {
  const int rents = row.status[kOtherRenter];
  const int provides = row.status[kOtherProvider];
  for (const int status : {rents, provides}) {
    if (status < 300 || status == 426) return status;
  }
  return rents == 404 || provides == 404 ? 404 : rents;
}

TEST(AccessTable, TwoScopesAreBothAndNoMore) {
  UnchangedWorld unchanged;
  std::string both;
  int of_world = 0;
  for (const AccessRow& row : kAccessTable) {
    unchanged.next_row();
    AccessWorld& world = unchanged.get();
    if (of_world != unchanged.made()) both = world.key_of_both();
    of_world = unchanged.made();
    const Reply reply = world.ask(row, both);
    EXPECT_EQ(reply.status, status_of_both(row)) << words(row, "renter and provider") << reply.body;
    unchanged.answered(row, reply);
  }
}

TEST(AccessTable, AKeyThatHasRunOutIsNone) {
  AccessWorld world;
  for (const Who caller : {kRenter, kProvider, kOperator}) {
    const std::string expired = world.expired_key(caller);
    for (const AccessRow& row : kAccessTable) {
      if (row.status[kNobody] != 401) continue;
      EXPECT_EQ(world.ask(row, expired).status, 401) << words(row, kCallerNames[caller]);
    }
  }
}

// Where a list is for everybody, what another's own would be is not in it.
TEST(AccessTable, ListsOfAnothersAreEmpty) {
  AccessWorld world;
  for (const AccessRow& row : kAccessTable) {
    if (std::string_view(row.route) != "GET /v1/leases" || *row.target == '\0') continue;
    const auto listed = [&](Who caller) {
      const auto document = boost::json::parse(world.ask(row, world.key(caller)).body);
      return document.at("leases").as_array().size();
    };
    for (const Who caller : {kRenter, kProvider, kOperator}) {
      EXPECT_GT(listed(caller), 0U) << words(row, kCallerNames[caller]);
    }
    for (const Who caller : {kOtherRenter, kOtherProvider}) {
      EXPECT_EQ(listed(caller), 0U) << words(row, kCallerNames[caller]);
    }
  }
}

// What was refused has changed nothing: in the same world the first who may then still can.
TEST(AccessTable, EveryRouteAnswersEveryCallerAsItSays) {
  UnchangedWorld unchanged;
  const std::string stranger = "fk_" + std::string(64, '0');
  const auto ask = [&](const AccessRow& row, const std::string& key) {
    Reply reply = unchanged.get().ask(row, key);
    unchanged.answered(row, reply);
    return reply;
  };
  for (const AccessRow& row : kAccessTable) {
    unchanged.next_row();
    if (row.status[kNobody] == 401) {
      EXPECT_EQ(ask(row, stranger).status, 401) << words(row, "a stranger");
    }
    std::vector<Who> allowed;
    for (std::size_t at = 0; at < kCallers; ++at) {
      const auto caller = static_cast<Who>(at);
      if (row.status[at] < 300) {
        allowed.push_back(caller);
        continue;
      }
      EXPECT_EQ(ask(row, unchanged.get().key(caller)).status, row.status[at])
          << words(row, kCallerNames[at]);
    }
    for (const Who caller : allowed) {
      const Reply reply = ask(row, unchanged.get().key(caller));
      EXPECT_EQ(reply.status, row.status[caller])
          << words(row, kCallerNames[caller]) << ": " << reply.body;
    }
  }
}

// A session of the key lets in where the key does and nowhere else, and only the server's own
// pages.
TEST(AccessTable, ASessionIsItsKeyAndOnlyOnTheOwnPages) {
  UnchangedWorld unchanged;
  for (const AccessRow& row : kAccessTable) {
    unchanged.next_row();
    for (std::size_t at = kRenter; at < kCallers; ++at) {
      const auto caller = static_cast<Who>(at);
      const int expected = row.by_session != 0 ? row.by_session : row.status[at];
      AccessWorld& world = unchanged.get();
      const std::string cookie = world.session(caller);
      const Reply elsewhere = world.ask(row, "", cookie, "cross-site");
      EXPECT_EQ(elsewhere.status, row.cross_site)
          << words(row, kCallerNames[at]) << " from another site";
      if (!changes_something(row) || row.cross_site >= 300) {  // else it is done once already
        const Reply here = world.ask(row, "", cookie);
        EXPECT_EQ(here.status, expected) << words(row, kCallerNames[at]) << " by session";
        unchanged.answered(row, here);
      } else {
        unchanged.answered(row, elsewhere);
      }
    }
  }
}

TEST(AccessTable, NothingOfAnotherAccountIsEverShown) {
  AccessWorld world;
  const std::string digest = world.filled("{digest}");
  for (const AccessRow& row : kAccessTable) {
    if (changes_something(row)) continue;
    for (const Who caller : {kNobody, kOtherRenter, kProvider, kOtherProvider}) {
      const std::string body = world.ask(row, world.key(caller)).body;
      for (const std::string_view secret : AccessWorld::kSecrets) {
        EXPECT_EQ(body.find(secret), body.npos) << words(row, kCallerNames[caller]) << ": " << body;
      }
      // The provider's own node made the output.
      if (caller == kProvider) continue;
      for (const std::string_view secret : AccessWorld::kProviderSecrets) {
        EXPECT_EQ(body.find(secret), body.npos) << words(row, kCallerNames[caller]) << ": " << body;
      }
      EXPECT_EQ(body.find(digest), body.npos) << words(row, kCallerNames[caller]) << ": " << body;
    }
  }
  for (const AccessRow& row : kAccessTable) {
    if (changes_something(row)) continue;
    const std::string body = world.ask(row, world.key(kRenter)).body;
    for (const std::string_view secret : AccessWorld::kProviderSecrets) {
      EXPECT_EQ(body.find(secret), body.npos) << words(row, "the renter") << ": " << body;
    }
  }
  // They are there to be found.
  const std::string told =
      world.ask(AccessRow{"GET /v1/events", "/v1/events?after=1", "", {}, 0}, world.key(kRenter))
          .body;
  for (const std::string_view secret : {"canary-account", "canary-project"}) {
    EXPECT_NE(told.find(secret), told.npos) << secret << ": " << told;
  }
  std::string of_provider;
  for (const AccessRow& row : kAccessTable) {
    if (!changes_something(row)) of_provider += world.ask(row, world.key(kProvider)).body;
  }
  for (const std::string_view secret : AccessWorld::kProviderSecrets) {
    EXPECT_NE(of_provider.find(secret), of_provider.npos) << secret;
  }
  std::string all;
  for (const AccessRow& row : kAccessTable) {
    if (!changes_something(row)) all += world.ask(row, world.key(kRenter)).body;
  }
  all += world.market().get("/v1/payouts", world.key(kOperator)).body;
  for (const std::string_view secret : AccessWorld::kSecrets) {
    EXPECT_NE(all.find(secret), all.npos) << secret;
  }
}

}  // namespace
}  // namespace fallow::server
