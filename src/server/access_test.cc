// Who sees whose things, what keys give, and what is held back. Every route for every kind of
// caller stands in access_table_test.cc.
#include <gtest/gtest.h>

#include "server/loopback_market_test.h"

namespace fallow::server {
namespace {

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

// An operator sees every order; what its renter pays for, or what is sealed for it, is not his.
TEST(Access, AnOperatorWhoRentsSpendsNothingForOthers) {
  LoopbackMarket market;
  const People people(market);
  market.add_node(people.provider, "0.20");
  const Reply order = market.post("/v1/orders", people.renter,
                                  R"({"requirements": {}, "workload": {"command": ["true"]}})");
  ASSERT_EQ(order.status, 200) << order.body;
  const Reply made =
      market.post("/v1/accounts", market.operator_key(),
                  R"({"name": "operator who rents", "scopes": ["OPERATOR", "RENTER"]})");
  ASSERT_EQ(made.status, 200) << made.body;
  const std::string both = made.at("api_key");
  const std::string path = "/v1/orders/" + order.at("id");
  EXPECT_EQ(market.get(path, both).status, 200);
  const std::string held = market.get("/v1/wallet", people.renter).at("held");
  EXPECT_EQ(market.get(path + "/extension?hours=0.5", both).at("code"), "not_found");
  EXPECT_EQ(market.post(path + "/extend", both, R"({"hours": 0.5})").at("code"), "not_found");
  EXPECT_EQ(market.get(path + "/secret-asks", both).at("code"), "not_found");
  EXPECT_EQ(market.get("/v1/wallet", people.renter).at("held"), held);
  EXPECT_EQ(market.get(path + "/extension?hours=0.5", people.renter).status, 200);
  EXPECT_EQ(market.post(path + "/extend", people.renter, R"({"hours": 0.5})").status, 200);
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

TEST(Access, AnOperatorListsAndRevokesAnybodysKeysButNobodyElseDoes) {
  LoopbackMarket market;
  const People people(market);
  const std::string& chief = market.operator_key();
  const std::string account = market.account_of(people.renter);
  const Reply made = market.post("/v1/keys", people.renter, R"({"label": "stolen"})");
  ASSERT_EQ(made.status, 200) << made.body;
  const std::string stolen = made.at("api_key");
  EXPECT_EQ(market.get("/v1/account", stolen).status, 200);
  const Reply listed = market.get("/v1/keys?account=" + account, chief);
  EXPECT_NE(listed.body.find("stolen"), std::string::npos) << listed.body;
  EXPECT_EQ(market.get("/v1/keys", chief).body.find("stolen"), std::string::npos);
  EXPECT_EQ(market.get("/v1/keys?account=999999", chief).status, 404);
  EXPECT_EQ(market.get("/v1/keys?account=" + account, people.renter).status, 200) << "his own";
  EXPECT_EQ(market.get("/v1/keys?account=" + account, people.other).status, 404);

  const std::string path = "/v1/keys/" + made.at("key.id");
  EXPECT_EQ(market.send("DELETE", path + "?account=" + account, people.other, {}, {}).status, 404);
  EXPECT_EQ(market.send("DELETE", path, chief, {}, {}).status, 404) << "it is none of his own";
  const Reply gone = market.send("DELETE", path + "?account=" + account, chief, {}, {});
  EXPECT_EQ(gone.status, 200) << gone.body;
  EXPECT_EQ(gone.at("label"), "stolen");
  EXPECT_EQ(market.get("/v1/account", stolen).status, 401);
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
