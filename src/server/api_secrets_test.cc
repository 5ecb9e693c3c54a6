// Secrets on their way through the API: to whom an ask is shown, and that nothing comes into the
// log that was no name.
#include <gtest/gtest.h>

#include <string>

#include "server/loopback_market_test.h"

namespace fallow::server {
namespace {

TEST(ApiSecrets, WhatIsNoNameNeverBecomesACommand) {
  LoopbackMarket market;
  const People people(market);
  market.add_node(people.provider, "0.20");
  const std::string before = market.get("/v1/market", "").at("last_index");
  for (const char* workload :
       {R"({"command": ["true"], "secrets": ["TOKEN=hunter2"]})",
        R"({"command": ["true"], "secrets": ["A", "A"]})",
        R"({"command": ["true"], "secrets": ["FALLOW_X"]})",
        R"({"command": ["true"], "secrets": ["A"], "environment": [{"name": "A", "value": "b"}]})",
        R"({"command": ["true"], "image_login": true})"}) {
    const Reply refused =
        market.post("/v1/orders", people.renter,
                    fmt::format(R"({{"requirements": {{}}, "workload": {}}})", workload));
    EXPECT_EQ(refused.status, 400) << workload << refused.body;
    EXPECT_EQ(refused.at("field").rfind("workload.", 0), 0U) << refused.body;
    EXPECT_EQ(refused.body.find("hunter2"), std::string::npos);
  }
  EXPECT_EQ(market.get("/v1/market", "").at("last_index"), before);
}

TEST(ApiSecrets, NamesAreTheOrdersAndValuesNobodys) {
  LoopbackMarket market;
  const People people(market);
  market.add_node(people.provider, "0.20");
  const Reply order = market.post(
      "/v1/orders", people.renter,
      R"({"requirements": {}, "workload": {"command": ["true"], "secrets": ["TOKEN"]}})");
  ASSERT_EQ(order.status, 200) << order.body;
  EXPECT_EQ(order.at("workload.secrets.0"), "TOKEN");
  const std::string asks = "/v1/orders/" + order.at("id") + "/secret-asks";
  const Reply none = market.get(asks, people.renter);
  EXPECT_EQ(none.status, 200) << none.body;
  EXPECT_EQ(market.get(asks, people.other).status, 404);
  const std::string deliver = "/v1/leases/" + order.at("tasks.0.lease") + "/secrets";
  EXPECT_EQ(market.post(deliver, people.other, R"({"sealed": "eA=="})").status, 404);
  EXPECT_EQ(market.post(deliver, people.renter, R"({"sealed": ""})").status, 400);
  EXPECT_EQ(market
                .post(deliver, people.renter,
                      fmt::format(R"({{"sealed": "{}"}})", std::string(100'000, 'A')))
                .status,
            400);
  // The node of this market has no agent.
  EXPECT_EQ(market.post(deliver, people.renter, R"({"sealed": "eA=="})").at("code"), "node_away");
}

}  // namespace
}  // namespace fallow::server
