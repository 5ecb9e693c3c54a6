// The API end to end, over loopback with a real engine.
#include "server/api.h"

#include <gtest/gtest.h>

#include <chrono>
#include <set>
#include <thread>

#include "base/digest.h"
#include "server/loopback_market_test.h"

namespace fallow::server {
namespace {

constexpr const char* kOrder = R"({"requirements": {"hours": 2}, "name": "job",
    "workload": {"command": ["true"]}})";

TEST(Api, AJobFromQuoteToReceipt) {
  LoopbackMarket market;
  const People people(market);
  const std::string node = market.add_node(people.provider, "0.20");

  const Reply offers = market.get("/v1/offers?query=gpu_ram%3E%3D24", people.renter);
  EXPECT_EQ(offers.at("offers.0.gpu_name"), "RTX_4090") << offers.body;
  EXPECT_EQ(offers.at("offers.0.price_per_hour"), "0.20");

  const Reply quote = market.post("/v1/quotes", people.renter, R"({"hours": 2})");
  ASSERT_EQ(quote.status, 200) << quote.body;
  EXPECT_EQ(quote.at("total"), "0.40");
  EXPECT_EQ(quote.at("tasks_at_once"), "1");

  const Reply order = market.post(
      "/v1/orders", people.renter,
      fmt::format(R"({{"quote": "{}", "workload": {{"command": ["true"]}}}})", quote.at("id")));
  ASSERT_EQ(order.status, 200) << order.body;
  EXPECT_EQ(order.at("budget"), "0.40");
  EXPECT_EQ(market.get("/v1/wallet", people.renter).at("held"), "0.40");
  const std::string lease = order.at("tasks.0.lease");

  market.report(node, lease, v1::RUNNING, 1'000);
  EXPECT_EQ(market.get("/v1/leases/" + lease, people.renter).at("state"), "RUNNING");
  market.report(node, lease, v1::ENDED, 0);
  const Reply done = market.get("/v1/orders/" + order.at("id"), people.renter);
  EXPECT_EQ(done.at("state"), "ORDER_DONE") << done.body;
  EXPECT_EQ(market.get("/v1/wallet", people.renter).at("held"), "0.00");

  for (const std::string& key : {people.renter, people.provider, market.operator_key()}) {
    const Reply receipt = market.get("/v1/leases/" + lease + "/receipt", key);
    EXPECT_EQ(receipt.status, 200) << receipt.body;
    EXPECT_FALSE(receipt.at("signature").empty());
  }
  const Reply transfers = market.get("/v1/wallet/transfers", people.renter);
  EXPECT_EQ(transfers.status, 200);
  EXPECT_EQ(transfers.at("transfers.0.reason"), "HOLD_VOIDED") << transfers.body;
  const auto events = market.follow("/v1/orders/" + order.at("id") + "/logs", people.renter, 10);
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(events.back().event, "end");
}

TEST(Api, EveryTaskOfALargeOrderIsListed) {
  constexpr int kTasks = 10'002;  // an order shows its first 10,000
  LoopbackMarket market;
  const People people(market);
  market.add_node(people.provider, "0.20");
  market.deposit(people.renter, "3000.00");
  const Reply order = market.post(
      "/v1/orders", people.renter,
      fmt::format(R"({{"requirements": {{}}, "tasks": {}, "workload": {{"command": ["true"]}}}})",
                  kTasks));
  ASSERT_EQ(order.status, 200) << order.body;
  const std::string path = "/v1/orders/" + order.at("id") + "/tasks";
  int next = 0;
  std::string token;
  do {
    const Reply page = market.get(path + "?page_size=1000&page_token=" + token, people.renter);
    ASSERT_EQ(page.status, 200) << page.body;
    const auto document = boost::json::parse(page.body);
    for (const auto& task : document.at("tasks").as_array()) {
      EXPECT_EQ(task.at("index").to_number<int>(), next++);
    }
    token = page.at("next_page_token");
  } while (!token.empty());
  EXPECT_EQ(next, kTasks);

  const Reply from = market.get(path + "?first=10001", people.renter);
  EXPECT_EQ(from.at("tasks.0.index"), "10001") << from.body;
  EXPECT_EQ(from.at("tasks.1.index"), "");
  const Reply beyond = market.get(path + "?first=4000000000", people.renter);
  EXPECT_EQ(beyond.status, 200);
  EXPECT_EQ(beyond.at("tasks.0.index") + beyond.at("next_page_token"), "");
  EXPECT_EQ(market.get(path + "?page_token=b3JkZXJzOjE", people.renter).at("field"), "page_token");
  EXPECT_EQ(market.get(path, people.other).status, 404);
}

TEST(Api, AStreamOfEventsThatBreaksOffBeforeTheFirstGoesOnWhereItBegan) {
  LoopbackMarket market;
  const People people(market);
  net::SseParser parser;
  net::ClientRequest request;
  request.target = "/v1/events";
  request.sink = [&parser](std::string_view bytes) -> Status {
    parser.feed(bytes);
    FALLOW_ASSIGN(const auto event, parser.next());
    if (!event && parser.last_id().empty()) return {};
    return fail(ErrorCode::kClosed, "enough");
  };
  market.send(std::move(request), people.renter);
  ASSERT_NE(parser.last_id(), "");
  market.deposit(people.renter, "1.00");
  const auto events =
      market.follow("/v1/events", people.renter, 1, {{"Last-Event-ID", parser.last_id()}});
  EXPECT_EQ(events.size(), 1U) << "what happened while nobody listened";
}

TEST(Api, PricesFollowTheMarketAndAreRemembered) {
  ServerOptions options;
  options.policy.set_price_interval_us(milliseconds(100).value);
  LoopbackMarket market(std::move(options));
  const People people(market);
  const std::string node = market.add_node(people.provider, "0.40");
  const std::string offer = "/v1/nodes/" + node + "/offer";
  const Reply follows =
      market.put(offer, people.provider,
                 R"({"price_floor_per_hour": "0.37", "price_ceiling_per_hour": "0.50"})");
  ASSERT_EQ(follows.status, 200) << follows.body;
  EXPECT_EQ(follows.at("price_ceiling_per_hour"), "0.50");

  // Nobody leases it: within a second it is down at its floor.
  std::string price;
  for (int i = 0; i < 200 && price != "0.37"; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    price = market.get("/v1/offers", people.renter).at("offers.0.price_per_hour");
  }
  EXPECT_EQ(price, "0.37");
  const Reply page = market.get("/v1/prices?model=rtx%204090&region=eu&page_size=1", people.renter);
  EXPECT_EQ(page.at("prices.0.model"), "rtx_4090") << page.body;
  EXPECT_EQ(page.at("prices.0.devices_offered"), "1");
  const Reply next = market.get(
      "/v1/prices?model=RTX_4090&page_size=1&page_token=" + page.at("next_page_token"), "");
  EXPECT_GT(next.at("prices.0.close"), page.at("prices.0.close"));
  EXPECT_EQ(market.get("/v1/prices?model=RTX_4090&region=nowhere", "").at("prices.0.close"), "");
  EXPECT_EQ(market.get("/v1/prices", "").at("field"), "model");
  const Reply classes = market.get("/v1/classes", "");
  EXPECT_EQ(classes.at("classes.0.model"), "rtx_4090") << classes.body;
  EXPECT_EQ(classes.at("classes.0.region"), "eu");
  EXPECT_EQ(classes.at("classes.1.model"), "");

  // A view holds all that an offer is set with, also where the price is below the floor of spot.
  const Reply whole = market.put(offer, people.provider, R"({"price_floor_per_hour": "0.10",
      "price_ceiling_per_hour": "0.50", "spot_floor_per_hour": "0.45", "share_min": 0.3333,
      "hours_max": 1.7})");
  ASSERT_EQ(whole.status, 200) << whole.body;
  EXPECT_EQ(std::stod(whole.at("share_min")), 0.334);  // thousandths, not below what was said
  EXPECT_EQ(std::stod(whole.at("hours_max")), 1.7);
  EXPECT_EQ(whole.at("spot_floor_set_per_hour"), "0.45");
  EXPECT_NE(whole.at("spot_floor_per_hour"), "0.45");
  const Reply again = market.put(offer, people.provider, R"({"price_floor_per_hour": "0.10",
      "price_ceiling_per_hour": "0.50", "spot_floor_per_hour": "0.45", "share_min": 0.334,
      "hours_max": 1.7})");
  ASSERT_EQ(again.status, 200) << again.body;
  EXPECT_EQ(std::stod(again.at("share_min")), 0.334);
  EXPECT_EQ(std::stod(again.at("hours_max")), 1.7);

  for (const char* wrong :
       {R"({"price_floor_per_hour": "0.6", "price_ceiling_per_hour": "0.5"})",
        R"({"price_per_hour": "0.4", "price_floor_per_hour": "0.3"})",
        R"({"price_ceiling_per_hour": "0"})", R"({"price_ceiling_per_hour": "-1"})"}) {
    EXPECT_EQ(market.put(offer, people.provider, wrong).status, 400) << wrong;
  }
}

TEST(Api, RefusalsSayWhatToDo) {
  LoopbackMarket market;
  const People people(market);
  market.add_node(people.provider, "0.20");
  const Reply none = market.post("/v1/quotes", people.renter, R"({"max_price_per_hour": "0.10"})");
  EXPECT_EQ(none.status, 409) << none.body;
  EXPECT_EQ(none.at("code"), "no_match");
  EXPECT_FALSE(none.at("relaxations.0.change").empty()) << none.body;
  EXPECT_EQ(*none.headers.find("Content-Type"), "application/problem+json");

  const Reply poor = market.post("/v1/orders", people.other, kOrder);
  EXPECT_EQ(poor.status, 402) << poor.body;
  EXPECT_EQ(poor.at("code"), "no_funds");

  const Reply query = market.get("/v1/offers?query=gpu_ram%3E%3D", people.renter);
  EXPECT_EQ(query.status, 400);
  EXPECT_EQ(query.at("code"), "query_invalid");
  EXPECT_FALSE(query.at("column").empty()) << query.body;

  const Reply forged = market.post("/v1/orders", people.renter, R"({"quote": "q1.AAAA"})");
  EXPECT_EQ(forged.at("field"), "quote") << forged.body;
  EXPECT_EQ(market.post("/v1/orders", people.renter, "{}").at("field"), "requirements");
}

TEST(Api, TermsSpotAndQuotesThatAreGone) {
  ServerOptions options;
  v1::VolumeDiscount& volume = *options.policy.add_volume_discounts();
  volume.set_fee_basis_points(5'000);  // of everybody
  LoopbackMarket market(std::move(options));
  const People people(market);
  const std::string node = market.add_node(people.provider, "0.40");
  const std::string offer = "/v1/nodes/" + node + "/offer";
  const Reply set = market.put(offer, people.provider, R"({"price_per_hour": "0.40",
      "spot_floor_per_hour": "0.10", "discounts": {"day_basis_points": 500,
      "week_basis_points": 1000, "month_basis_points": 1000}})");
  ASSERT_EQ(set.status, 200) << set.body;
  EXPECT_EQ(set.at("spot_price_per_hour"), "0.10");
  EXPECT_EQ(set.at("discounts.week_basis_points"), "1000");
  EXPECT_EQ(std::stod(market.get("/v1/wallet", people.renter).at("fee_let_off")), 0.5);

  const Reply week =
      market.post("/v1/quotes", people.renter, R"({"hours": 168, "tier": "RESERVED"})");
  ASSERT_EQ(week.status, 200) << week.body;
  EXPECT_EQ(week.at("total"), "60.48");
  EXPECT_EQ(week.at("parts.3.name"), "term discount (taken off)");
  EXPECT_EQ(week.at("parts.4.name"), "volume discount (comes off)");
  const Reply spot =
      market.post("/v1/quotes", people.renter, R"({"tier": "SPOT", "max_price_per_hour": "0.25"})");
  ASSERT_EQ(spot.status, 200) << spot.body;
  EXPECT_EQ(spot.at("total"), "0.25");
  EXPECT_EQ(spot.at("parts.3.price_per_hour"), "0.10") << spot.body;
  EXPECT_EQ(market.post("/v1/quotes", people.renter, R"({"tier": "SPOT"})").at("field"),
            "requirements.max_price_per_hour");
  EXPECT_EQ(market
                .put(offer, people.provider,
                     R"({"price_per_hour": "0.40", "spot_floor_per_hour": "0.41"})")
                .at("field"),
            "spot_floor_per_hour");

  // The offer behind the quote goes; another, dearer one stays.
  const Reply quote = market.post("/v1/quotes", people.renter, R"({"hours": 1})");
  const std::string dearer = market.add_node(people.provider, "0.60");
  EXPECT_EQ(market.send("DELETE", offer, people.provider, {}, {}).status, 200);
  const auto take = [&](const std::string& id) {
    return market.post(
        "/v1/orders", people.renter,
        fmt::format(R"({{"quote": "{}", "workload": {{"command": ["true"]}}}})", id));
  };
  const Reply gone = take(quote.at("id"));
  EXPECT_EQ(gone.status, 410) << gone.body;
  EXPECT_EQ(gone.at("code"), "quote_gone");
  EXPECT_EQ(gone.at("next_quote.total"), "0.60") << gone.body;
  const Reply taken = take(gone.at("next_quote.id"));
  EXPECT_EQ(taken.status, 200) << taken.body;
  EXPECT_EQ(taken.at("budget"), "0.60");
  // Answers do not wait for figures.
  std::string metrics;
  for (int i = 0; i < 200 && metrics.find("fallow_quotes_honoured_share 0.5") == metrics.npos;
       ++i) {
    if (i > 0) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    metrics = market.get("/metrics", "").body;
  }
  EXPECT_NE(metrics.find("fallow_quotes_honoured_share 0.5"), metrics.npos);
  EXPECT_NE(metrics.find("fallow_quotes_gone 1"), metrics.npos);
}

TEST(Api, AnIdempotencyKeyMakesOnceAndAnswersAgain) {
  LoopbackMarket market;
  const People people(market);
  market.add_node(people.provider, "0.20");
  const net::Headers key{{"Idempotency-Key", "run-1"}};
  const Reply first = market.post("/v1/orders", people.renter, kOrder, key);
  const Reply again = market.post("/v1/orders", people.renter, kOrder, key);
  ASSERT_EQ(first.status, 200) << first.body;
  EXPECT_EQ(again.status, 200) << again.body;
  EXPECT_EQ(again.at("id"), first.at("id"));
  EXPECT_EQ(market.get("/v1/orders", people.renter).at("orders.1.id"), "");

  const Reply other = market.post("/v1/orders", people.renter, R"({"requirements": {}})", key);
  EXPECT_EQ(other.status, 422) << other.body;
  EXPECT_EQ(other.at("code"), "key_reused");
  // Another account's key of the same name is another key.
  EXPECT_EQ(market.post("/v1/orders", people.other, kOrder, key).status, 402);

  const std::string body = R"({"name": "new", "scopes": ["RENTER"]})";
  const Reply account = market.post("/v1/accounts", market.operator_key(), body, key);
  const Reply repeated = market.post("/v1/accounts", market.operator_key(), body, key);
  EXPECT_EQ(repeated.body, account.body);
  EXPECT_EQ(market.get("/v1/account", account.at("api_key")).at("name"), "new");
  const Reply token = market.post("/v1/join-tokens", people.provider, "{}", key);
  EXPECT_EQ(market.post("/v1/join-tokens", people.provider, "{}", key).at("token"),
            token.at("token"));
  EXPECT_EQ(market.post("/v1/orders", people.renter, kOrder, {{"Idempotency-Key", "a b"}}).status,
            400);
}

TEST(Api, MoreTimeIsPricedThenBoughtOnce) {
  LoopbackMarket market;
  const People people(market);
  const std::string node = market.add_node(people.provider, "0.20");
  const Reply order = market.post("/v1/orders", people.renter, kOrder);
  ASSERT_EQ(order.status, 200) << order.body;
  const std::string path = "/v1/orders/" + order.at("id");

  const Reply price = market.get(path + "/extension?hours=0.5", people.renter);
  EXPECT_EQ(price.at("cost"), "0.10") << price.body;
  EXPECT_EQ(price.at("price_per_hour"), "0.20");
  EXPECT_EQ(price.at("task_time"), "9000s");
  EXPECT_EQ(market.get(path, people.renter).at("budget"), "0.40") << "asking buys nothing";

  const net::Headers key{{"Idempotency-Key", "more-1"}};
  const Reply first = market.post(path + "/extend", people.renter, R"({"hours": 0.5})", key);
  const Reply again = market.post(path + "/extend", people.renter, R"({"hours": 0.5})", key);
  EXPECT_EQ(first.at("budget"), "0.50") << first.body;
  EXPECT_EQ(again.at("budget"), "0.50") << again.body;
  EXPECT_EQ(market.get("/v1/wallet", people.renter).at("held"), "0.50");
  const std::string lease = "/v1/leases/" + order.at("tasks.0.lease");
  EXPECT_EQ(market.get(lease, people.renter).at("time_max"), "9000s");

  EXPECT_EQ(market
                .put("/v1/nodes/" + node + "/offer", people.provider,
                     R"({"price_per_hour": "0.90", "hours_max": 4})")
                .status,
            200);
  for (const Reply& refused : {market.get(path + "/extension?hours=2", people.renter),
                               market.post(path + "/extend", people.renter, R"({"hours": 2})")}) {
    EXPECT_EQ(refused.status, 409) << refused.body;
    EXPECT_EQ(refused.at("field"), "hours");
    EXPECT_EQ(refused.at("relaxations.0.field"), "hours");
    EXPECT_EQ(refused.at("relaxations.0.change"), "lower hours to 1.5");
  }
  for (const char* body : {"{}", R"({"hours": -1})", R"({"hours": 1e9})"}) {
    EXPECT_EQ(market.post(path + "/extend", people.renter, body).status, 400) << body;
  }
}

// An idempotency key may be guessed. What was given out under it is for the key that asked.
TEST(Api, WhatWasGivenOutIsGivenAgainToTheKeyThatAskedAlone) {
  LoopbackMarket market;
  const People people(market);
  const std::string second =
      market.post("/v1/keys", people.provider, R"({"label": "second"})").at("api_key");
  ASSERT_TRUE(second.starts_with("fk_"));
  struct Asked {
    const char* path;
    const char* body;
    const char* secret;
  };
  for (const Asked& asked :
       {Asked{"/v1/keys", R"({"label": "ci"})", "api_key"},
        Asked{"/v1/webhooks", R"({"url": "https://example.org/in", "kinds": ["budget_set"]})",
              "secret"},
        Asked{"/v1/join-tokens", "{}", "token"}}) {
    const net::Headers key{{"Idempotency-Key", std::string("1") + asked.secret}};
    const Reply first = market.post(asked.path, people.provider, asked.body, key);
    ASSERT_EQ(first.status, 200) << first.body;
    const std::string secret = first.at(asked.secret);
    ASSERT_NE(secret, "");
    EXPECT_EQ(market.post(asked.path, people.provider, asked.body, key).at(asked.secret), secret);
    const Reply other = market.post(asked.path, second, asked.body, key);
    EXPECT_EQ(other.status, 422) << other.body;
    EXPECT_EQ(other.at("code"), "key_reused");
    EXPECT_NE(other.at("detail").find("another API key"), std::string::npos) << other.body;
    EXPECT_EQ(other.body.find(secret), std::string::npos);
  }
  // What gives nothing out is answered to all keys of the account, as ever.
  market.add_node(people.provider, "0.20");
  const std::string other =
      market.post("/v1/keys", people.renter, R"({"label": "second"})").at("api_key");
  const net::Headers key{{"Idempotency-Key", "1"}};
  const Reply order = market.post("/v1/orders", people.renter, kOrder, key);
  ASSERT_EQ(order.status, 200) << order.body;
  EXPECT_EQ(market.post("/v1/orders", other, kOrder, key).at("id"), order.at("id"));
}

TEST(Api, ADepositIsBookedOncePerReference) {
  ServerOptions options;
  options.policy.set_holds_deposits(false);
  LoopbackMarket market(std::move(options));
  const People people(market);
  const std::string body =
      fmt::format(R"({{"account": "{}", "amount": "1.00", "reference": "bank 7"}})",
                  market.account_of(people.other));
  EXPECT_EQ(market.post("/v1/deposits", market.operator_key(), body).at("available"), "1.00");
  EXPECT_EQ(market.post("/v1/deposits", market.operator_key(), body).at("available"), "1.00");
  const Reply out =
      market.post("/v1/withdrawals", people.other, R"({"amount": "0.40", "destination": "DE00"})");
  EXPECT_EQ(out.at("available"), "0.60") << out.body;
  const std::string payout = market.get("/v1/payouts", market.operator_key()).at("payouts.0.id");
  const Reply settled =
      market.post("/v1/payouts/" + payout + "/settle", market.operator_key(), R"({"paid": false})");
  EXPECT_EQ(settled.at("available"), "1.00") << settled.body;
  const Reply budget = market.put("/v1/wallet/budget", people.other, R"({"month_budget": "5"})");
  EXPECT_EQ(budget.at("month_budget"), "5.00") << budget.body;
}

TEST(Api, ADepositThatIsTakenBackLeavesTheWalletOnce) {
  LoopbackMarket market;
  const People people(market);
  const std::string account = market.account_of(people.other);
  market.post(
      "/v1/deposits", market.operator_key(),
      fmt::format(R"({{"account": "{}", "amount": "1.00", "reference": "card 1"}})", account));
  const Reply early =
      market.post("/v1/withdrawals", people.other, R"({"amount": "1.00", "destination": "DE00"})");
  EXPECT_EQ(early.status, 402) << "it may still be taken back: " << early.body;
  const std::string body = R"({"reference": "card 1"})";
  EXPECT_EQ(market.post("/v1/deposits/reverse", people.other, body).status, 403);
  for (int i = 0; i < 2; ++i) {
    const Reply told = market.post("/v1/deposits/reverse", market.operator_key(), body);
    EXPECT_EQ(told.at("account"), account) << told.body;
    EXPECT_EQ(told.at("available"), "0.00") << told.body;
    EXPECT_EQ(told.at("owed"), "") << told.body;
  }
  EXPECT_EQ(market.get("/v1/wallet/statement", people.other).at("deposited"), "0.00");
  const Reply unknown =
      market.post("/v1/deposits/reverse", market.operator_key(), R"({"reference": "no"})");
  EXPECT_EQ(unknown.status, 404) << unknown.body;
  EXPECT_EQ(market.post("/v1/deposits/reverse", market.operator_key(), "{}").status, 400);
}

TEST(Api, PagesAreCompleteAndEnd) {
  LoopbackMarket market;
  for (int i = 0; i < 5; ++i) market.add_account(fmt::format("a{}", i), "RENTER");
  std::set<std::string> names;
  std::string token;
  int pages = 0;
  do {
    const Reply page =
        market.get("/v1/accounts?page_size=2&page_token=" + token, market.operator_key());
    ASSERT_EQ(page.status, 200) << page.body;
    for (int i = 0; !page.at(fmt::format("accounts.{}.name", i)).empty(); ++i) {
      EXPECT_TRUE(names.insert(page.at(fmt::format("accounts.{}.name", i))).second);
    }
    token = page.at("next_page_token");
  } while (!token.empty() && ++pages < 10);
  EXPECT_EQ(names.size(), 6U);
  EXPECT_EQ(market.get("/v1/orders?page_token=" + token + "x", market.operator_key()).status, 400);
  EXPECT_EQ(market.get("/v1/orders?page_size=1001", market.operator_key()).status, 400);
}

TEST(Api, BadInputIsAClearError) {
  LoopbackMarket market;
  const People people(market);
  market.add_node(people.provider, "0.20");
  const struct {
    const char* path;
    std::string body;
    int status;
    const char* code;
  } cases[] = {
      {"/v1/quotes", R"({"hour": 1})", 400, "unknown_field"},
      {"/v1/quotes", R"({"hours": "x"})", 400, "type_wrong"},
      {"/v1/quotes", R"({"hours": 1e18})", 400, "value_invalid"},
      {"/v1/quotes", R"({"hours": "NaN"})", 400, "value_invalid"},
      {"/v1/quotes", R"({"hours": -1})", 400, "value_invalid"},
      {"/v1/quotes", R"({"tasks": 4294967295})", 400, "value_invalid"},
      {"/v1/quotes", R"({"max_price_per_hour": "-1"})", 400, "value_invalid"},
      {"/v1/quotes", R"({"max_price_per_hour": "99999999999999999999"})", 400, "value_invalid"},
      {"/v1/quotes", "{\"query\": \"\xff\xfe\"}", 400, "json_invalid"},
      {"/v1/quotes", std::string(200'000, '['), 400, "json_invalid"},
      {"/v1/quotes", "{\"query\": \"" + std::string(3'000, 'a') + "\"}", 400, "query_invalid"},
      {"/v1/quotes", "{\"query\": \"" + std::string(2'000'000, 'a') + "\"}", 413, "too_large"},
      {"/v1/quotes", R"({"hours": 8784, "tasks": 100000})", 409, ""},
      {"/v1/orders", R"({"requirements": {}, "budget": "-0.01"})", 400, "value_invalid"},
      {"/v1/orders", R"({"requirements": {}, "input_manifest": "../../etc/passwd"})", 400,
       "value_invalid"},
      {"/v1/withdrawals", R"({"amount": "0", "destination": "x"})", 400, "value_invalid"},
      {"/v1/withdrawals", R"({"amount": "1e9", "destination": "x"})", 400, "value_invalid"},
  };
  for (const auto& c : cases) {
    const Reply reply = market.post(c.path, people.renter, c.body);
    const std::string what = std::string(c.path) + " " + c.body.substr(0, 60) + ": " + reply.body;
    if (*c.code == '\0') {
      EXPECT_LT(reply.status, 500) << what;
      continue;
    }
    EXPECT_EQ(reply.status, c.status) << what;
    EXPECT_EQ(reply.at("code"), c.code) << what;
    EXPECT_FALSE(reply.at("detail").empty()) << what;
  }
  EXPECT_EQ(market.get("/v1/orders/%2e%2e", people.renter).status, 400);
  EXPECT_EQ(market.get("/nothing", people.renter).at("code"), "route_unknown");
  const Reply method = market.send("PATCH", "/v1/orders", people.renter, {}, {});
  EXPECT_EQ(method.status, 405);
  EXPECT_EQ(*method.headers.find("Allow"), "POST, GET");
  EXPECT_EQ(market.post("/v1/quotes", people.renter, "{}", {{"Content-Type", "text/xml"}}).status,
            415);
  EXPECT_EQ(market.get("/healthz", "").status, 200);
}

TEST(Api, EventsAreTheCallersAndResume) {
  LoopbackMarket market;
  const People people(market);
  market.add_node(people.provider, "0.20");
  ASSERT_EQ(market.post("/v1/orders", people.renter, kOrder).status, 200);
  const auto all = market.follow("/v1/events?after=1", market.operator_key(), 6);
  ASSERT_EQ(all.size(), 6U);
  const auto own = market.follow("/v1/events?after=1", people.renter, 4);
  ASSERT_EQ(own.size(), 4U);
  for (const net::SseEvent& event : own) {
    EXPECT_EQ(event.data.find("node_joined"), event.data.npos) << event.data;
  }
  const auto with_id = std::find_if(own.begin(), own.end(),
                                    [](const net::SseEvent& event) { return !event.id.empty(); });
  ASSERT_NE(with_id, own.end());
  const auto rest = market.follow("/v1/events", people.renter, 1, {{"Last-Event-ID", with_id->id}});
  ASSERT_EQ(rest.size(), 1U);
  EXPECT_EQ(rest[0].data, (with_id + 1)->data);
  EXPECT_EQ(market.get("/v1/events", people.renter, {{"Last-Event-ID", "x"}}).status, 400);
}

TEST(Api, ArtifactsAreStoredServedAndResumed) {
  LoopbackMarket market;
  const People people(market);
  std::string bytes(300'000, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 7);
  const std::string path = "/v1/artifacts/" + to_hex(digest_of(bytes));
  const net::Headers raw{{"Content-Type", "application/octet-stream"}};

  EXPECT_EQ(market.send("HEAD", path, people.renter, {}, {}).status, 404);
  EXPECT_EQ(market.send("PUT", path, "", "x", raw).status, 401);
  net::Headers begin{{"Upload-Length", std::to_string(bytes.size())}};
  EXPECT_EQ(*market.send("POST", path, people.renter, {}, begin).headers.find("Upload-Offset"),
            "0");
  const auto patch = [&](const std::string& offset, const std::string& piece) {
    net::Headers headers = raw;
    headers.set("Upload-Offset", offset);
    return market.send("PATCH", path, people.renter, piece, headers);
  };
  EXPECT_EQ(*patch("0", bytes.substr(0, 100'000)).headers.find("Upload-Offset"), "100000");
  EXPECT_EQ(patch("50000", bytes.substr(50'000, 10)).status, 409);
  EXPECT_EQ(patch("x", "y").status, 400);
  EXPECT_EQ(*market.send("POST", path, people.renter, {}, begin).headers.find("Upload-Offset"),
            "100000");
  // The whole again: what is there already is passed over.
  EXPECT_EQ(market.send("PUT", path, people.renter, bytes, raw).status, 201);
  EXPECT_EQ(market.send("PUT", path, people.renter, bytes, raw).status, 200);

  const Reply whole = market.get(path, people.other);
  EXPECT_EQ(whole.body, bytes);
  const Reply head = market.send("HEAD", path, people.renter, {}, {});
  EXPECT_EQ(*head.headers.find("Content-Length"), "300000");
  const Reply range = market.get(path, people.other, {{"Range", "bytes=1000-1999"}});
  EXPECT_EQ(range.status, 206);
  EXPECT_EQ(range.body, bytes.substr(1'000, 1'000));
  EXPECT_EQ(*range.headers.find("Content-Range"), "bytes 1000-1999/300000");
  EXPECT_EQ(market.get(path, people.other, {{"Range", "bytes=300000-"}}).status, 416);

  const std::string wrong = "/v1/artifacts/" + std::string(64, 'a');
  EXPECT_EQ(market.send("PUT", wrong, people.renter, "not it", raw).at("code"), "digest_mismatch");
  for (const char* name : {"/v1/artifacts/..%2f..%2foperator.key", "/v1/artifacts/abc",
                           "/v1/artifacts/%2e%2e", "/v1/artifacts/x/y", "/v1/artifacts/"}) {
    const Reply reply = market.get(name, people.renter);
    EXPECT_TRUE(reply.status == 400 || reply.status == 404) << name << reply.status;
  }
  EXPECT_EQ(market.send("DELETE", path, people.renter, {}, {}).status, 405);
}

// Whose fault a refusal is hangs on it: agent/evidence.h.
TEST(Api, AStoreThatIsFullIsNoFaultOfWhatIsStored) {
  ServerOptions options;
  options.artifacts.bytes_max = 1'000;
  options.artifacts.blob_bytes_max = 800;
  LoopbackMarket market(std::move(options));
  const People people(market);
  const auto put = [&](std::size_t size, char filled) {
    const std::string bytes(size, filled);
    return market.send("PUT", "/v1/artifacts/" + to_hex(digest_of(bytes)), people.renter, bytes,
                       {{"Content-Type", "application/octet-stream"}});
  };
  EXPECT_EQ(put(801, 'a').status, 413);
  EXPECT_EQ(put(801, 'a').at("code"), "too_large");
  EXPECT_EQ(put(700, 'b').status, 201);
  EXPECT_EQ(put(301, 'c').status, 507);
  EXPECT_EQ(put(301, 'c').at("code"), "store_full");
}

TEST(Api, AnUploadGoesOnAfterARestart) {
  LoopbackMarket market;
  const People people(market);
  const std::string bytes(300'000, 'u');
  const std::string path = "/v1/artifacts/" + to_hex(digest_of(bytes));
  const net::Headers begin{{"Upload-Length", std::to_string(bytes.size())}};
  EXPECT_EQ(market.send("POST", path, people.renter, {}, begin).status, 201);
  net::Headers first{{"Content-Type", "application/octet-stream"}, {"Upload-Offset", "0"}};
  EXPECT_EQ(market.send("PATCH", path, people.renter, bytes.substr(0, 200'000), first).status, 204);
  market.restart();
  EXPECT_EQ(*market.send("POST", path, people.renter, {}, begin).headers.find("Upload-Offset"),
            "200000");
  EXPECT_EQ(*market.send("POST", path, people.other, {}, begin).headers.find("Upload-Offset"), "0");
  net::Headers rest{{"Content-Type", "application/octet-stream"}, {"Upload-Offset", "200000"}};
  EXPECT_EQ(market.send("PATCH", path, people.renter, bytes.substr(200'000), rest).status, 204);
  EXPECT_EQ(market.get(path, people.other).body, bytes);
}

TEST(Api, AnUploadThatIsOvertakenByItsOwnTwinIsNoError) {
  LoopbackMarket market;
  const People people(market);
  std::string bytes(900'000, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 11);
  const std::string path = "/v1/artifacts/" + to_hex(digest_of(bytes));
  const net::Headers raw{{"Content-Type", "application/octet-stream"}};

  net::HttpClientOptions options;
  options.url = *net::parse_url(market.server().url());
  net::BlockingHttpClient slow(std::move(options));
  net::ClientRequest request;
  request.method = "PUT";
  request.target = path;
  request.headers = raw;
  request.headers.set("Authorization", "Bearer " + people.renter);
  request.source_bytes = bytes.size();
  std::size_t sent = 0;
  request.source = [&](std::span<char> into) -> Result<std::size_t> {
    // Half-way the twin begins and ends.
    if (sent > 0 && sent < bytes.size()) {
      const int status = market.send("PUT", path, people.renter, bytes, raw).status;
      EXPECT_TRUE(status == 200 || status == 201) << status;
    }
    const std::size_t count = std::min<std::size_t>({into.size(), 400'000, bytes.size() - sent});
    bytes.copy(into.data(), count, sent);
    sent += count;
    return count;
  };
  const auto answered = slow.send(std::move(request));
  ASSERT_TRUE(answered) << answered.error().message;
  EXPECT_EQ(answered->status, 201) << answered->body;
  EXPECT_EQ(market.get(path, people.renter).body, bytes);
}

TEST(Api, MetricsAndHealthAndTheApiItself) {
  LoopbackMarket market;
  EXPECT_EQ(market.get("/healthz", "").body, "ok\n");
  EXPECT_EQ(market.get("/readyz", "").body, "ready\n");
  EXPECT_EQ(market.get("/v1/openapi.json", "").at("openapi"), "3.1.0");
  EXPECT_EQ(market.get("/v1/market", "").at("currency"), "TEST");
  const Reply metrics = market.get("/metrics", "");
  EXPECT_NE(
      metrics.body.find("fallow_http_requests_total{route=\"Market.GetMarket\",status=\"2xx\"} 1"),
      metrics.body.npos);
  EXPECT_NE(metrics.body.find("fallow_accounts 1"), metrics.body.npos);
  for (const char* queue :
       {"commands_waiting", "reads_waiting", "agent_messages_waiting", "agent_reports_waiting",
        "node_links_waiting", "proof_jobs_waiting", "disk_jobs_waiting", "webhooks_waiting"}) {
    EXPECT_NE(metrics.body.find(fmt::format("\nfallow_{} ", queue)), metrics.body.npos) << queue;
  }
}

TEST(Api, ItStopsWithoutCuttingAnybodyOffAndStartsAgain) {
  LoopbackMarket market;
  const People people(market);
  const Reply token = market.post("/v1/join-tokens", people.provider, "{}");
  std::atomic<bool> begun = false;
  std::thread follower([&] {
    net::HttpClientOptions options;
    options.url = *net::parse_url(market.server().url());
    net::BlockingHttpClient client(options);
    net::ClientRequest request;
    request.target = "/v1/events?after=1";
    request.headers.set("Authorization", "Bearer " + market.operator_key());
    request.sink = [&begun](std::string_view) -> Status {
      begun = true;
      return {};
    };
    EXPECT_TRUE(client.send(std::move(request)));  // ends in good order
  });
  while (!begun) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_TRUE(market.stop());
  follower.join();
  market.start();
  EXPECT_EQ(market.get("/v1/account", people.renter).at("name"), "renter");
  EXPECT_EQ(market.get("/v1/wallet", people.renter).at("available"), "10.00");
}

TEST(Api, TlsShowsTheCertificateThatTokensPin) {
  LoopbackMarket market({}, false);
  EXPECT_EQ(market.get("/healthz", "").status, 200);
  const Digest first = market.server().certificate();
  EXPECT_NE(first, Digest{});
  market.restart();
  EXPECT_EQ(market.server().certificate(), first);
  EXPECT_EQ(market.get("/v1/account", market.operator_key()).at("name"), "operator");
}

TEST(Api, PlainHttpIsForLoopbackOnly) {
  const TemporaryFolder folder;
  const auto data = DataFolder::open(folder.path());
  ASSERT_TRUE(data);
  const auto clock = system_clock();
  const auto random = system_random();
  log::MemoryLog log;
  ServerOptions options;
  options.plain_http = true;
  options.address = "0.0.0.0";
  ServerParts parts;
  parts.engine.log = &log;
  parts.engine.clock = clock.get();
  parts.random = random.get();
  const auto server = Server::start(*data, options, parts);
  ASSERT_FALSE(server);
  EXPECT_EQ(server.error().code, ErrorCode::kInvalid);
}

}  // namespace
}  // namespace fallow::server
