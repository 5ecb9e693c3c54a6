// Who may do what: every route for every kind of caller, and who sees whose things.
#include <gtest/gtest.h>

#include "server/loopback_market_test.h"

namespace fallow::server {
namespace {

// The status alone: streams are left once they have begun.
int status_of(LoopbackMarket& market, const Route& route, const std::string& key,
              net::Headers headers = {}) {
  std::string path = route.path;
  for (std::size_t open; (open = path.find('{')) != path.npos;) {
    path.replace(open, path.find('}') - open + 1, "999");
  }
  net::ClientRequest request;
  request.method = route.method;
  request.target = path;
  request.headers = std::move(headers);
  request.headers.set("Sec-Fetch-Site", "same-origin");  // as the console's own pages
  if (route.method == "POST" || route.method == "PUT") request.body = "{}";
  if (route.is_stream()) {
    request.on_head = [](const net::Response&) -> Status {
      return fail(ErrorCode::kClosed, "the head is enough");
    };
  }
  return market.send(std::move(request), key).status;
}

std::string session_cookie(LoopbackMarket& market, const std::string& key) {
  const Reply reply = market.post("/v1/session", "", fmt::format(R"({{"api_key": "{}"}})", key),
                                  {{"Sec-Fetch-Site", "same-origin"}});
  EXPECT_EQ(reply.status, 200) << reply.body;
  const std::string* set = reply.headers.find("Set-Cookie");
  return set == nullptr ? "" : set->substr(0, set->find(';'));
}

TEST(Access, EveryRouteLetsInExactlyItsScopes) {
  LoopbackMarket market;
  const People people(market);
  const Router router;
  const struct {
    const char* name;
    std::string key;
    core::ScopeSet scopes;
  } callers[] = {{"nobody", "", 0},
                 {"a stranger", "fk_" + std::string(64, '0'), 0},
                 {"renter", people.renter, 1U << v1::RENTER},
                 {"provider", people.provider, 1U << v1::PROVIDER},
                 {"operator", market.operator_key(), 1U << v1::OPERATOR}};
  for (const Route& route : router.routes()) {
    for (const auto& caller : callers) {
      const int status = status_of(market, route, caller.key);
      const std::string what = route.method + " " + route.path + " as " + caller.name;
      // A session of the key lets in where the key does, and nowhere else. (Signing out ends it:
      // a new one for each route.)
      if (caller.scopes != 0) {
        const net::Headers session{{"Cookie", session_cookie(market, caller.key)}};
        const int by_session = status_of(market, route, "", session);
        if (route.path == "/v1/session" && route.method == "DELETE") {
          EXPECT_EQ(by_session, 200) << what;
        } else {
          EXPECT_EQ(by_session, status) << what << " by session";
        }
      }
      if (route.scopes == 0) {
        EXPECT_TRUE(status == 200 || status == 400) << what << ": " << status;
      } else if (caller.scopes == 0) {
        EXPECT_EQ(status, 401) << what;
      } else if ((caller.scopes & route.scopes) == 0) {
        EXPECT_EQ(status, 403) << what;
      } else {
        EXPECT_TRUE(status == 200 || status == 400 || status == 404 || status == 409)
            << what << ": " << status;
      }
    }
  }
}

TEST(Access, NobodySeesWhatIsAnothers) {
  LoopbackMarket market;
  const People people(market);
  const std::string other_provider = market.add_account("provider 2", "PROVIDER");
  const std::string node = market.add_node(people.provider, "0.20");
  const Reply order = market.post("/v1/orders", people.renter,
                                  R"({"requirements": {}, "workload": {"command": ["true"]}})");
  ASSERT_EQ(order.status, 200) << order.body;
  const std::string order_path = "/v1/orders/" + order.at("id");
  const std::string lease_path = "/v1/leases/" + order.at("tasks.0.lease");

  EXPECT_EQ(market.get(order_path, people.renter).status, 200);
  EXPECT_EQ(market.get(order_path, market.operator_key()).status, 200);
  EXPECT_EQ(market.get(lease_path, people.renter).status, 200);
  EXPECT_EQ(market.get(lease_path, people.provider).status, 200);
  for (const std::string& path : {order_path, order_path + "/logs", lease_path,
                                  lease_path + "/logs", lease_path + "/receipt"}) {
    EXPECT_EQ(market.get(path, people.other).status, 404) << path;
  }
  for (const std::string& path : {order_path + "/stop", lease_path + "/stop"}) {
    EXPECT_EQ(market.post(path, people.other, "").status, 404) << path;
  }
  EXPECT_EQ(market.get(lease_path + "/receipt", people.renter).at("code"), "not_ended");

  EXPECT_EQ(market.get("/v1/orders", people.other).at("orders"), "[]");
  EXPECT_EQ(market.get("/v1/leases", people.other).at("leases"), "[]");
  EXPECT_EQ(market.get("/v1/leases", people.provider).at("leases.0.id"), order.at("tasks.0.lease"));
  EXPECT_EQ(
      market.get("/v1/wallet?account=" + market.account_of(people.renter), people.other).status,
      404);
  EXPECT_EQ(
      market.get("/v1/wallet?account=" + market.account_of(people.renter), market.operator_key())
          .at("held"),
      "0.20");

  const std::string node_path = "/v1/nodes/" + node;
  EXPECT_EQ(market.get(node_path, people.provider).status, 200);
  EXPECT_EQ(market.get(node_path, other_provider).status, 404);
  EXPECT_EQ(market.put(node_path + "/offer", other_provider, R"({"price_per_hour": "9"})").status,
            404);
  EXPECT_EQ(market.send("DELETE", node_path, other_provider, {}, {}).status, 404);
  EXPECT_EQ(market.send("DELETE", node_path + "/offer", other_provider, {}, {}).status, 404);
  EXPECT_EQ(market.get("/v1/nodes", other_provider).at("nodes"), "[]");
}

TEST(Access, AKeyNeverGivesMoreThanItHas) {
  LoopbackMarket market;
  const People people(market);
  EXPECT_EQ(market.post("/v1/keys", people.renter, R"({"scopes": ["OPERATOR"]})").status, 403);
  const Reply made = market.post("/v1/keys", people.renter, R"({"label": "laptop", "hours": 1})");
  ASSERT_EQ(made.status, 200) << made.body;
  const std::string key = made.at("api_key");
  EXPECT_EQ(market.get("/v1/account", key).at("id"), market.account_of(people.renter));
  // A key of an hour cannot make one for ever.
  const Reply child = market.post("/v1/keys", key, "{}");
  EXPECT_EQ(child.at("key.expires_at"), made.at("key.expires_at"));

  const std::string path = "/v1/keys/" + made.at("key.id");
  EXPECT_EQ(market.send("DELETE", path, people.other, {}, {}).status, 404);
  EXPECT_EQ(market.send("DELETE", path, people.renter, {}, {}).status, 200);
  EXPECT_EQ(market.get("/v1/account", key).status, 401);
  EXPECT_EQ(market.get("/v1/account", people.renter).status, 200);
}

TEST(Access, AnAnonymousFloodIsHeldBack) {
  ServerOptions options;
  options.api.per_peer = {0.001, 5};
  options.api.per_key = {0.001, 5};
  LoopbackMarket market(options);
  int refused = 0;
  for (int i = 0; i < 20; ++i) {
    const Reply reply = market.get("/v1/account", fmt::format("fk_{:064}", i));
    if (reply.status != 429) continue;
    ++refused;
    EXPECT_EQ(reply.at("code"), "rate_limited");
    EXPECT_NE(reply.headers.find("Retry-After"), nullptr);
  }
  EXPECT_EQ(refused, 15);
  EXPECT_EQ(market.get("/healthz", "").status, 200);
}

}  // namespace
}  // namespace fallow::server
