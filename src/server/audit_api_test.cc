// GET /v1/audit and its files: who asked for what, found again.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "server/loopback_market_test.h"

namespace fallow::server {
namespace {

std::vector<std::string> audit_lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::size_t entries_of(const Reply& reply) {
  EXPECT_EQ(reply.status, 200) << reply.body;
  return boost::json::parse(reply.body).at("entries").as_array().size();
}

class AuditApiTest : public testing::Test {
 protected:
  AuditApiTest()
      : renter_(market_.add_account("alice", "RENTER")),
        provider_(market_.add_account("dora", "PROVIDER")) {
    market_.deposit(renter_, "10.00");
    node_ = market_.add_node(provider_, "0.90");
    const Reply order =
        market_.post("/v1/orders", renter_,
                     R"({"requirements": {}, "workload": {"command": ["true"]}, "name": "a"})");
    EXPECT_EQ(order.status, 200) << order.body;
    order_ = order.at("id");
    lease_ = order.at("tasks.0.lease");
    market_.report(node_, lease_, v1::RUNNING, 4'000'000);
    market_.report(node_, lease_, v1::ENDED, 0);
  }
  Reply search(const std::string& words) {
    return market_.get("/v1/audit?" + words, market_.operator_key());
  }
  // Bounds a search to what cannot become more.
  std::string before_now() { return "until=" + search("").at("entries.0.at"); }

  LoopbackMarket market_;
  std::string renter_, provider_, node_, order_, lease_;
};

TEST_F(AuditApiTest, FindsByKindOfEventAndOfCommandTheNewestFirst) {
  const Reply ended = search("kind=lease_ended");
  ASSERT_EQ(entries_of(ended), 1U) << ended.body;
  EXPECT_EQ(ended.at("entries.0.kind"), "lease_ended");
  EXPECT_EQ(ended.at("entries.0.command"), "observe");
  EXPECT_EQ(ended.at("entries.0.actor"), "0");
  EXPECT_EQ(ended.at("entries.0.lease"), lease_);
  EXPECT_EQ(ended.at("entries.0.order"), order_);
  EXPECT_EQ(ended.at("entries.0.node"), node_);
  EXPECT_EQ(ended.at("entries.0.event.lease_ended.lease"), lease_);
  const Reply submitted = search("kind=submit_order");
  ASSERT_GT(entries_of(submitted), 1U) << submitted.body;
  EXPECT_EQ(submitted.at("entries.0.actor"), market_.account_of(renter_));
  EXPECT_EQ(submitted.at("next_page_token"), "");
  const Reply all = search("");
  EXPECT_GT(entries_of(all), entries_of(submitted));
  EXPECT_GT(std::stoull(all.at("entries.0.index")), std::stoull(submitted.at("entries.0.index")));
}

TEST_F(AuditApiTest, FindsWhatIsOfAnAccountANodeAnOrderOrALease) {
  EXPECT_GT(entries_of(search("account=" + market_.account_of(renter_))), 0U);
  EXPECT_EQ(entries_of(search("account=999999")), 0U);
  EXPECT_GT(entries_of(search("node=" + node_)), 0U);
  EXPECT_EQ(entries_of(search("order=" + order_ + "&kind=order_ended")), 1U);
  // What a meter record is of stands inside of it.
  EXPECT_EQ(entries_of(search("lease=" + lease_ + "&kind=meter_accepted")), 1U);
  EXPECT_EQ(entries_of(search("lease=999999")), 0U);
}

// What was refused is of the lease that the command names: the event says only why.
TEST_F(AuditApiTest, ARefusalIsOfWhatItsCommandNamed) {
  v1::Command stop;
  stop.set_actor(std::stoull(market_.account_of(provider_)));
  stop.mutable_stop_lease()->set_lease(std::stoull(lease_));
  ASSERT_TRUE(market_.server().engine().execute(stop));
  const Reply refused = search("kind=refused&lease=" + lease_);
  ASSERT_EQ(entries_of(refused), 1U) << refused.body;
  EXPECT_EQ(refused.at("entries.0.command"), "stop_lease");
  EXPECT_EQ(refused.at("entries.0.actor"), market_.account_of(provider_));
}

TEST_F(AuditApiTest, PagesComeToTheSameAsOneOfAll) {
  const std::string bound = before_now();
  const Reply all = search("page_size=1000&" + bound);
  std::vector<std::string> seen;
  std::string token;
  do {
    const Reply page = search("page_size=3&" + bound + "&page_token=" + token);
    ASSERT_EQ(page.status, 200) << page.body;
    const auto document = boost::json::parse(page.body);
    for (const auto& entry : document.at("entries").as_array()) {
      seen.push_back(boost::json::serialize(entry));
    }
    token = page.at("next_page_token");
  } while (!token.empty());
  std::vector<std::string> wanted;
  const auto whole = boost::json::parse(all.body);
  for (const auto& entry : whole.at("entries").as_array()) {
    wanted.push_back(boost::json::serialize(entry));
  }
  EXPECT_GT(wanted.size(), 10U);
  EXPECT_EQ(seen, wanted);
}

TEST_F(AuditApiTest, MomentsBoundTheSearch) {
  EXPECT_EQ(entries_of(search("until=2020-01-01T00:00:00Z")), 0U);
  EXPECT_EQ(entries_of(search("since=2999-01-01T00:00:00Z")), 0U);
  EXPECT_GT(entries_of(search("since=2020-01-01T00:00:00Z&until=2999-01-01T00:00:00Z")), 0U);
  const Reply ended = search("kind=lease_ended");
  const std::string at = ended.at("entries.0.at");
  EXPECT_EQ(entries_of(search("kind=lease_ended&since=" + at)), 1U) << at;
  EXPECT_EQ(entries_of(search("kind=lease_ended&until=" + at)), 0U) << at;
}

TEST_F(AuditApiTest, SaysWhatIsWrong) {
  EXPECT_EQ(search("kind=no_such_thing").status, 400);
  EXPECT_EQ(search("kind=actor").status, 400);
  EXPECT_EQ(search("since=yesterday").at("field"), "since");
  EXPECT_EQ(search("page_token=YXVkaXQ6Nw").status, 400) << "audit:7";
  EXPECT_EQ(search("page_size=1001").status, 400);
}

TEST_F(AuditApiTest, FilesHoldAllThatTheSearchFinds) {
  const std::string key = market_.operator_key();
  const std::string bound = before_now();
  const std::size_t count = entries_of(search("page_size=1000&" + bound));
  const Reply lines = market_.get("/v1/audit.ndjson?" + bound, key);
  ASSERT_EQ(lines.status, 200) << lines.body;
  const std::vector<std::string> found = audit_lines_of(lines.body);
  EXPECT_EQ(found.size(), count);
  for (const std::string& line : found) {
    const auto entry = boost::json::parse(line);
    EXPECT_TRUE(entry.at("event").is_object()) << line;
  }
  const Reply table = market_.get("/v1/audit.csv?kind=lease_ended", key);
  ASSERT_EQ(table.status, 200) << table.body;
  EXPECT_NE(table.headers.find("Content-Disposition")->find("fallow-audit.csv"), std::string::npos);
  const std::vector<std::string> rows = audit_lines_of(table.body);
  ASSERT_EQ(rows.size(), 2U) << table.body;
  EXPECT_TRUE(rows[0].starts_with("index,ordinal,at,actor,command,event,"));
  EXPECT_NE(rows[1].find(",observe,lease_ended,"), std::string::npos) << rows[1];
  EXPECT_EQ(market_.get("/v1/audit.ndjson?kind=node_removed", key).body, "");
  EXPECT_EQ(market_.get("/v1/audit.csv?kind=no_such_thing", key).status, 400);
}

}  // namespace
}  // namespace fallow::server
