// Speeds and objectives over the API.
#include <gtest/gtest.h>

#include "server/loopback_market_test.h"

namespace fallow::server {
namespace {

TEST(Speeds, AreListedAndSetByOperatorsOnly) {
  LoopbackMarket market;
  const People people(market);
  const std::string ours = market.add_node(people.provider, "0.20");

  const Reply all = market.get("/v1/speeds", "");
  ASSERT_EQ(all.status, 200) << all.body;
  EXPECT_NE(all.body.find("\"rtx_3090\""), std::string::npos) << all.body;

  constexpr const char* kMeasured = R"({"workload_class": "FP16", "speed": 2.31})";
  EXPECT_EQ(market.put("/v1/speeds/RTX_4090", people.renter, kMeasured).status, 403);
  const Reply set = market.put("/v1/speeds/RTX_4090", market.operator_key(), kMeasured);
  ASSERT_EQ(set.status, 200) << set.body;
  EXPECT_EQ(set.at("model"), "rtx_4090");
  EXPECT_EQ(std::stod(set.at("fp16")), 2.31);
  EXPECT_EQ(set.at("set.0"), "FP16");
  for (const char* wrong :
       {R"({"workload_class": "FP16", "speed": -1})", R"({"workload_class": "FP16", "speed": 2e9})",
        R"({"workload_class": "FP16", "speed": 0.0001})", R"({"speed": 1})"}) {
    EXPECT_EQ(market.put("/v1/speeds/RTX_4090", market.operator_key(), wrong).status, 400) << wrong;
  }

  const Reply offers =
      market.get("/v1/offers?objective=COST_TO_COMPLETE&workload_class=FP16", people.renter);
  ASSERT_EQ(offers.status, 200) << offers.body;
  EXPECT_EQ(offers.at("offers.0.node"), ours);
  EXPECT_EQ(std::stod(offers.at("offers.0.speed")), 2.31);
  const Reply quote = market.post(
      "/v1/quotes", people.renter,
      R"({"hours": 2, "objective": "FASTEST", "workload_class": "BANDWIDTH", "near": "eu"})");
  ASSERT_EQ(quote.status, 200) << quote.body;
  EXPECT_EQ(quote.at("requirements.workload_class"), "BANDWIDTH");
  EXPECT_EQ(quote.at("requirements.near"), "eu");
}

TEST(Speeds, AreListedInPages) {
  LoopbackMarket market;
  constexpr const char* kMeasured = R"({"workload_class": "FP16", "speed": 2})";
  ASSERT_EQ(market.put("/v1/speeds/a_mystery", market.operator_key(), kMeasured).status, 200);
  const Reply all = market.get("/v1/speeds?page_size=1000", "");
  ASSERT_EQ(all.status, 200) << all.body;
  EXPECT_NE(all.body.find("\"amystery\""), std::string::npos) << all.body;
  const Reply first = market.get("/v1/speeds?page_size=2", "");
  ASSERT_EQ(first.status, 200) << first.body;
  EXPECT_EQ(first.at("speeds.1.model"), all.at("speeds.1.model"));
  const Reply second =
      market.get("/v1/speeds?page_size=1000&page_token=" + first.at("next_page_token"), "");
  ASSERT_EQ(second.status, 200) << second.body;
  EXPECT_EQ(second.at("speeds.0.model"), all.at("speeds.2.model"));
  EXPECT_EQ(second.at("next_page_token"), "") << "the last page";
  EXPECT_EQ(market.get("/v1/speeds?page_token=x", "").status, 400);
  EXPECT_EQ(market.get("/v1/speeds?page_size=1001", "").status, 400);
}

}  // namespace
}  // namespace fallow::server
