// Webhooks end to end on one machine: what is sent, in which order, how often, and when no more.
#include "server/webhooks.h"

#include <gtest/gtest.h>

#include <mutex>
#include <set>

#include "net/timer.h"
#include "server/loopback_market_test.h"
#include "server/webhook_receiver_test.h"
#include "server/webhook_signature.h"

namespace fallow::server {
namespace {

// Waits until the market has written down that the webhook's newest delivery, `id`, got through:
// from then on no restart sends it again.
void wait_until_noted(LoopbackMarket& market, const std::string& key, const std::string& webhook,
                      const std::string& id) {
  Reply list;
  EXPECT_TRUE(comes_true([&] {
    list = market.get("/v1/webhooks/" + webhook + "/deliveries?page_size=1", key);
    return list.at("deliveries.0.id") == id && list.at("deliveries.0.delivered") == "true";
  })) << list.body;
}

class WebhookMarketTest : public testing::Test {
 protected:
  static ServerOptions options() {
    ServerOptions options;
    options.webhook_targets = *WebhookTargets::of({"127.0.0.0/8"});
    options.webhooks.retry_first = milliseconds(20);
    options.webhooks.retry_max = milliseconds(50);
    return options;
  }

  Reply add(const std::string& url, const std::string& kinds) {
    const Reply made = market_.post("/v1/webhooks", people_.renter,
                                    fmt::format(R"({{"url": "{}", "kinds": [{}]}})", url, kinds));
    EXPECT_EQ(made.status, 200) << made.body;
    return made;
  }
  // Each is told as one budget_set.
  void set_budgets(int count) {
    for (int i = 1; i <= count; ++i) {
      const Reply set = market_.put("/v1/wallet/budget", people_.renter,
                                    fmt::format(R"({{"month_budget": "{}"}})", ++budget_));
      ASSERT_EQ(set.status, 200) << set.body;
    }
  }
  Reply webhook(const std::string& id) { return market_.get("/v1/webhooks/" + id, people_.renter); }
  // Waits until the view has the value; the last one seen.
  std::string wait_until(const std::string& id, const std::string& path,
                         const std::function<bool(const std::string&)>& is_so) {
    std::string seen;
    (void)comes_true([&] { return is_so(seen = webhook(id).at(path)); });
    return seen;
  }
  static std::vector<std::string> ids_of(const std::vector<Receiver::Sent>& sent) {
    std::vector<std::string> ids;
    for (const Receiver::Sent& each : sent) ids.push_back(each.header("webhook-id"));
    return ids;
  }
  // Their places in the log, by their names.
  static std::vector<std::pair<std::uint64_t, std::uint64_t>> places_of(
      const std::vector<std::string>& ids) {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> places;
    for (const std::string& id : ids) {
      const std::size_t mark = id.rfind('_');
      const std::size_t before = id.rfind('_', mark - 1);
      places.emplace_back(std::stoull(id.substr(before + 1, mark - before - 1)),
                          std::stoull(id.substr(mark + 1)));
    }
    return places;
  }

  LoopbackMarket market_{options()};
  People people_{market_};
  int budget_ = 0;
};

TEST_F(WebhookMarketTest, EventsComeSignedOnceAndInOrder) {
  const Receiver receiver(200);
  const Reply made = add(receiver.url(), R"("budget_set", "webhook_set")");
  const std::string secret = made.at("secret");
  EXPECT_TRUE(secret.starts_with("whsec_")) << made.body;
  set_budgets(20);
  const auto sent = receiver.wait_for(21);
  ASSERT_EQ(sent.size(), 21U);
  EXPECT_EQ(sent[0].kind(), "webhook_set") << "its own making is the first word";
  const auto places = places_of(ids_of(sent));
  EXPECT_TRUE(std::is_sorted(places.begin(), places.end()));
  EXPECT_EQ(std::set(places.begin(), places.end()).size(), places.size());
  EXPECT_EQ(webhook(made.at("webhook.id")).body.find("whsec_"), std::string::npos);
  // Somebody else's events are not.
  const Reply others = market_.put("/v1/wallet/budget", people_.other, R"({"month_budget": "1"})");
  ASSERT_EQ(others.status, 200);
  set_budgets(1);
  EXPECT_EQ(receiver.wait_for(22).size(), 22U);
  // Nothing of it is left to be sent: the place is behind all.
  const std::string id = made.at("webhook.id");
  EXPECT_GT(std::stoull(wait_until(id, "sent_index",
                                   [&](const std::string& index) {
                                     return std::stoull(index) > places.back().first;
                                   })),
            places.back().first);
}

TEST_F(WebhookMarketTest, WhatFailsIsTriedAgainAndHoldsUpTheRest) {
  std::atomic<int> calls = 0;
  const Receiver receiver([&calls](net::Exchange& exchange) -> net::Task<void> {
    net::Response response{++calls % 3 == 0 ? 204 : 500, {}, {}};
    co_await exchange.respond(std::move(response));
  });
  const std::string id = add(receiver.url(), R"("budget_set")").at("webhook.id");
  set_budgets(4);
  const auto ids = ids_of(receiver.wait_for(12));
  ASSERT_EQ(ids.size(), 12U);
  for (std::size_t i = 0; i < ids.size(); i += 3) {
    EXPECT_EQ(ids[i], ids[i + 1]);
    EXPECT_EQ(ids[i], ids[i + 2]);
  }
  EXPECT_EQ(wait_until(id, "failing_since", [](const std::string& at) { return at.empty(); }), "");
  const Reply list = market_.get("/v1/webhooks/" + id + "/deliveries?page_size=3", people_.renter);
  EXPECT_EQ(list.at("deliveries.0.id"), ids.back());
  EXPECT_EQ(list.at("deliveries.0.attempts"), "3");
  EXPECT_EQ(list.at("deliveries.0.delivered"), "true");
  const Reply rest =
      market_.get("/v1/webhooks/" + id + "/deliveries?page_token=" + list.at("next_page_token"),
                  people_.renter);
  EXPECT_EQ(rest.at("deliveries.0.id"), ids.front());
  EXPECT_EQ(rest.at("next_page_token"), "");
}

// Stopped while the receiver is away: nothing is lost, and the order stays.
TEST_F(WebhookMarketTest, ARestartLosesNothing) {
  std::uint16_t port = 0;
  std::string id;
  {
    const Receiver receiver(200);
    port = receiver.port();
    id = add(receiver.url(), R"("budget_set")").at("webhook.id");
    set_budgets(3);
    const auto sent = receiver.wait_for(3);
    ASSERT_EQ(sent.size(), 3U);
    wait_until_noted(market_, people_.renter, id, ids_of(sent).back());
  }
  set_budgets(3);
  market_.restart();
  set_budgets(3);
  market_.restart();
  const Receiver receiver(200, {}, port);
  const auto places = places_of(ids_of(receiver.wait_for(6)));
  ASSERT_EQ(places.size(), 6U);
  EXPECT_TRUE(std::is_sorted(places.begin(), places.end()));
  EXPECT_EQ(webhook(id).at("stop_reason"), "");
}

TEST_F(WebhookMarketTest, OneDeliveryOrAllSinceAMomentAreSentAgain) {
  const Receiver receiver(200);
  const std::string id = add(receiver.url(), R"("budget_set")").at("webhook.id");
  set_budgets(5);
  const auto ids = ids_of(receiver.wait_for(5));
  ASSERT_EQ(ids.size(), 5U);
  const auto replay = [&](const std::string& what) {
    return market_.post("/v1/webhooks/" + id + "/replay", people_.renter, what);
  };
  EXPECT_EQ(replay(fmt::format(R"({{"delivery": "{}"}})", ids[1])).status, 200);
  EXPECT_EQ(ids_of(receiver.wait_for(6)).at(5), ids[1]);
  EXPECT_EQ(replay(R"({"since": "2020-01-01T00:00:00Z"})").status, 200);
  const auto all = ids_of(receiver.wait_for(11));
  ASSERT_EQ(all.size(), 11U);
  EXPECT_EQ(std::vector(all.begin() + 6, all.end()), ids);
  EXPECT_EQ(replay(R"({"since": "2100-01-01T00:00:00Z"})").status, 200);
  EXPECT_EQ(replay(R"({"delivery": "msg_1_2_3"})").at("field"), "delivery");
  EXPECT_EQ(replay("{}").at("field"), "since");
  EXPECT_EQ(replay(fmt::format(R"({{"delivery": "{}", "since": "2020-01-01T00:00:00Z"}})", ids[1]))
                .at("field"),
            "since");
  set_budgets(1);
  EXPECT_EQ(receiver.wait_for(12).size(), 12U);
}

TEST_F(WebhookMarketTest, AReplayPassesOverNothingThatWasNotSentYet) {
  std::atomic<int> status = 500;
  const Receiver receiver([&status](net::Exchange& exchange) -> net::Task<void> {
    net::Response response{status.load(), {}, {}};
    co_await exchange.respond(std::move(response));
  });
  const std::string id = add(receiver.url(), R"("budget_set")").at("webhook.id");
  set_budgets(3);
  ASSERT_GE(receiver.wait_for(1).size(), 1U);
  EXPECT_EQ(market_
                .post("/v1/webhooks/" + id + "/replay", people_.renter,
                      R"({"since": "2100-01-01T00:00:00Z"})")
                .status,
            200);
  status = 200;
  const auto messages = [&] {
    const auto ids = ids_of(receiver.sent());
    return std::set(ids.begin(), ids.end()).size();
  };
  EXPECT_TRUE(comes_true([&] { return messages() == 3; }))
      << "the receiver was away from before that moment on";
}

TEST_F(WebhookMarketTest, ASecretIsChangedWithoutAGap) {
  const Receiver receiver(200);
  const Reply made = add(receiver.url(), R"("budget_set")");
  const std::string id = made.at("webhook.id");
  const Reply changed = market_.post("/v1/webhooks/" + id + "/secret", people_.renter, "");
  EXPECT_EQ(changed.at("webhook.secret_number"), "2");
  EXPECT_NE(changed.at("secret"), made.at("secret"));
  EXPECT_EQ(changed.at("webhook.url"), receiver.url());
  set_budgets(1);
  const auto sent = receiver.wait_for(1);
  ASSERT_EQ(sent.size(), 1U);
  // One signature by each, the new one first.
  const std::string signatures = sent[0].header("webhook-signature");
  const std::string server = *read_file(market_.folder() + "/keys/server.key", 200);
  core::Webhook webhook;
  webhook.id = core::WebhookId(std::stoull(id));
  const std::string secret = *from_hex(std::string_view(server).substr(0, 64));
  const auto signed_by = [&](std::uint32_t number) {
    return webhook_signature({webhook_secret(secret, webhook.id, number)},
                             sent[0].header("webhook-id"),
                             std::stoll(sent[0].header("webhook-timestamp")), sent[0].body);
  };
  EXPECT_EQ(signatures, signed_by(2) + " " + signed_by(1));
}

TEST_F(WebhookMarketTest, OneThatWantsNoMoreIsStoppedAndItsAccountSeesIt) {
  std::atomic<int> status = 410;
  std::mutex mutex;
  std::vector<std::string> taken;  // what was answered with 200; under the mutex
  const Receiver receiver([&](net::Exchange& exchange) -> net::Task<void> {
    net::Response response{status.load(), {}, {}};
    if (response.status == 200) {
      const std::lock_guard lock(mutex);
      taken.push_back(*exchange.request().headers.find("webhook-id"));
    }
    co_await exchange.respond(std::move(response));
  });
  const std::string id = add(receiver.url(), R"("budget_set")").at("webhook.id");
  const Receiver watcher(200);
  add(watcher.url(), R"("webhook_stopped")");
  set_budgets(3);
  EXPECT_NE(wait_until(id, "stop_reason", [](const std::string& why) { return !why.empty(); })
                .find("410"),
            std::string::npos);
  const auto told = watcher.wait_for(1);
  ASSERT_EQ(told.size(), 1U);
  EXPECT_NE(told[0].body.find(id), std::string::npos) << told[0].body;
  EXPECT_EQ(market_
                .post("/v1/webhooks/" + id + "/replay", people_.renter,
                      R"({"since": "2020-01-01T00:00:00Z"})")
                .at("code"),
            "webhook_stopped");
  const auto refused = ids_of(receiver.sent());
  EXPECT_EQ(std::set(refused.begin(), refused.end()).size(), 1U);
  // Set again it goes on where it stood.
  status = 200;
  const Reply again =
      market_.put("/v1/webhooks/" + id, people_.renter,
                  fmt::format(R"({{"url": "{}", "kinds": ["budget_set"]}})", receiver.url()));
  ASSERT_EQ(again.status, 200) << again.body;
  EXPECT_EQ(again.at("stop_reason"), "");
  EXPECT_TRUE(comes_true([&] {
    const std::lock_guard lock(mutex);
    return taken.size() >= 3;
  }));
  const std::lock_guard lock(mutex);
  ASSERT_EQ(taken.size(), 3U);
  EXPECT_EQ(taken.front(), refused.front());
  const auto places = places_of(taken);
  EXPECT_TRUE(std::is_sorted(places.begin(), places.end()));
  EXPECT_EQ(std::set(places.begin(), places.end()).size(), places.size());
}

// What was on its way when it was set anew tells nothing of how it is set now.
TEST_F(WebhookMarketTest, ARefusalOfBeforeItWasSetAnewStopsNothing) {
  std::atomic<bool> let_go = false;
  std::atomic<int> calls = 0;
  const Receiver receiver([&](net::Exchange& exchange) -> net::Task<void> {
    const bool is_first = ++calls == 1;
    while (is_first && !let_go) co_await net::sleep_for(milliseconds(5));
    net::Response response{is_first ? 410 : 200, {}, {}};
    co_await exchange.respond(std::move(response));
  });
  const std::string id = add(receiver.url(), R"("budget_set")").at("webhook.id");
  set_budgets(1);
  EXPECT_EQ(receiver.wait_for(1).size(), 1U);
  const Reply again =
      market_.put("/v1/webhooks/" + id, people_.renter,
                  fmt::format(R"({{"url": "{}", "kinds": ["budget_set"]}})", receiver.url()));
  EXPECT_EQ(again.status, 200) << again.body;
  // The market shows what it has told everybody who watches it.
  EXPECT_EQ(webhook(id).at("stop_reason"), "");
  let_go = true;
  const auto ids = ids_of(receiver.wait_for(2));
  ASSERT_EQ(ids.size(), 2U);
  EXPECT_EQ(ids[1], ids[0]);
  wait_until_noted(market_, people_.renter, id, ids[1]);
  EXPECT_EQ(webhook(id).at("stop_reason"), "");
}

TEST(WebhookGivenUp, AfterLongFailureOnlyAndInWords) {
  ServerOptions options;
  options.webhook_targets = *WebhookTargets::of({"127.0.0.0/8"});
  options.webhooks.retry_first = options.webhooks.retry_max = milliseconds(20);
  options.webhooks.give_up_after = milliseconds(150);
  LoopbackMarket market(options);
  const People people(market);
  const Receiver receiver(500);
  const Reply made =
      market.post("/v1/webhooks", people.renter, fmt::format(R"({{"url": "{}"}})", receiver.url()));
  ASSERT_EQ(made.status, 200) << made.body;
  std::string why;
  EXPECT_TRUE(comes_true([&] {
    why = market.get("/v1/webhooks/" + made.at("webhook.id"), people.renter).at("stop_reason");
    return !why.empty();
  }));
  EXPECT_NE(why.find("nothing got through"), why.npos) << why;
  EXPECT_NE(why.find("it answered 500"), why.npos) << why;
  EXPECT_GT(receiver.sent().size(), 1U);
}

TEST_F(WebhookMarketTest, AnOperatorIsToldOfEverybody) {
  const Receiver receiver(200);
  const Reply made = market_.post(
      "/v1/webhooks", market_.operator_key(),
      fmt::format(R"({{"url": "{}", "kinds": ["budget_set"], "everyone": true}})", receiver.url()));
  ASSERT_EQ(made.status, 200) << made.body;
  set_budgets(1);
  ASSERT_EQ(market_.put("/v1/wallet/budget", people_.other, R"({"month_budget": "1"})").status,
            200);
  EXPECT_EQ(receiver.wait_for(2).size(), 2U);
}

TEST_F(WebhookMarketTest, RemovedIsRemoved) {
  const Receiver receiver(200);
  const std::string id = add(receiver.url(), R"("budget_set")").at("webhook.id");
  set_budgets(1);
  ASSERT_EQ(receiver.wait_for(1).size(), 1U);
  EXPECT_EQ(market_.send("DELETE", "/v1/webhooks/" + id, people_.renter, "", {}).status, 200);
  EXPECT_EQ(webhook(id).status, 404);
  set_budgets(3);
  const Reply other = add(receiver.url(), R"("budget_set")");
  set_budgets(1);
  const auto sent = receiver.wait_for(2);
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_TRUE(sent[1].header("webhook-id").starts_with("msg_" + other.at("webhook.id") + "_"));
}

// As an older log than webhooks.db was written with looks: what happens from then on is sent, all
// of it and nothing else, and the operator is told.
TEST(WebhookRestored, ALogThatEndsBeforeWhatWasSentIsNoticed) {
  std::mutex mutex;
  std::string said;
  ServerOptions options;
  options.webhook_targets = *WebhookTargets::of({"127.0.0.0/8"});
  options.log = [&](const std::string& sentence) {
    const std::lock_guard lock(mutex);
    said += sentence + "\n";
  };
  LoopbackMarket market(options);
  const People people(market);
  const Receiver receiver(200);
  const auto set_budgets = [&](int first, int last) {
    for (int units = first; units <= last; ++units) {
      ASSERT_EQ(market
                    .put("/v1/wallet/budget", people.renter,
                         fmt::format(R"({{"month_budget": "{}"}})", units))
                    .status,
                200);
    }
  };
  const Reply made =
      market.post("/v1/webhooks", people.renter,
                  fmt::format(R"({{"url": "{}", "kinds": ["budget_set"]}})", receiver.url()));
  set_budgets(1, 3);
  const auto first = receiver.wait_for(3);
  ASSERT_EQ(first.size(), 3U);
  wait_until_noted(market, people.renter, made.at("webhook.id"), first[2].header("webhook-id"));
  market.restart();
  const auto heard = [&] {
    const std::lock_guard lock(mutex);
    return said;
  };
  EXPECT_EQ(heard().find("WARNING"), std::string::npos) << heard();
  market.stop();
  {
    const auto store = WebhookStore::open(market.folder() + "/webhooks.db");
    ASSERT_TRUE(store) << store.error().message;
    const core::WebhookId id(std::stoull(made.at("webhook.id")));
    const auto now = (*store)->progress(id, EventPlace());
    ASSERT_TRUE(now) << now.error().message;
    ASSERT_TRUE((*store)->pass(id, now->next, EventPlace{LogIndex(1'000'000), 7}).value());
  }
  market.start();
  EXPECT_NE(heard().find("Webhooks of which this is so: 1."), std::string::npos) << heard();
  set_budgets(4, 6);
  EXPECT_EQ(receiver.wait_for(6).size(), 6U);
}

// In the middle of a sending: what is on its way is broken off, so that its place among the
// account's is free at once, and nothing of it is noted or sent after that.
TEST(WebhookRemoved, WhileItIsBusyItIsLeftAtOnce) {
  ServerOptions options;
  options.webhook_targets = *WebhookTargets::of({"127.0.0.0/8"});
  options.webhooks.sending_per_account_max = 1;
  options.webhooks.times = {seconds(5), minutes(5), minutes(5)};  // nobody gives up by himself
  LoopbackMarket market(options);
  const People people(market);
  std::atomic<bool> let_go = false;
  const Receiver slow([&let_go](net::Exchange& exchange) -> net::Task<void> {
    while (!let_go) co_await net::sleep_for(milliseconds(10));
    net::Response response{200, {}, {}};
    co_await exchange.respond(std::move(response));
  });
  const Receiver quick(200);
  const auto add = [&](const std::string& url) {
    return market.post("/v1/webhooks", people.renter,
                       fmt::format(R"({{"url": "{}", "kinds": ["budget_set"]}})", url));
  };
  const auto set_budget = [&](int units) {
    const Reply set = market.put("/v1/wallet/budget", people.renter,
                                 fmt::format(R"({{"month_budget": "{}"}})", units));
    ASSERT_EQ(set.status, 200) << set.body;
  };
  const std::string id = add(slow.url()).at("webhook.id");
  set_budget(1);
  set_budget(2);
  ASSERT_EQ(slow.wait_for(1).size(), 1U);
  const Reply other = add(quick.url());
  ASSERT_EQ(other.status, 200);
  set_budget(3);
  EXPECT_TRUE(quick.sent().empty()) << "one of the account at a time";
  ASSERT_EQ(market.send("DELETE", "/v1/webhooks/" + id, people.renter, "", {}).status, 200);
  EXPECT_EQ(quick.wait_for(1).size(), 1U);
  EXPECT_EQ(market.get("/v1/webhooks/" + id + "/deliveries", people.renter).status, 404);
  let_go = true;
  set_budget(4);
  const auto told = quick.wait_for(2);
  ASSERT_EQ(told.size(), 2U);
  wait_until_noted(market, people.renter, other.at("webhook.id"), told[1].header("webhook-id"));
  market.restart();
  set_budget(5);
  EXPECT_EQ(quick.wait_for(3).size(), 3U);
  EXPECT_EQ(slow.sent().size(), 1U);
  // Not by its own thread's word alone: the file has nothing of it either.
  market.stop();
  const auto store = WebhookStore::open(market.folder() + "/webhooks.db");
  ASSERT_TRUE(store) << store.error().message;
  const auto page = (*store)->deliveries(core::WebhookId(std::stoull(id)), 0, 10);
  ASSERT_TRUE(page) << page.error().message;
  EXPECT_TRUE(page->deliveries.empty());
}

TEST_F(WebhookMarketTest, WrongOnesAreRefused) {
  const auto refused = [&](const std::string& body) {
    return market_.post("/v1/webhooks", people_.renter, body);
  };
  EXPECT_EQ(refused(R"({"url": "https://10.0.0.1/"})").at("field"), "url");
  EXPECT_EQ(refused(R"({"url": "nonsense"})").at("field"), "url");
  EXPECT_EQ(refused(R"({"url": "https://example.org/", "kinds": ["nonsense"]})").at("field"),
            "kinds");
}

}  // namespace
}  // namespace fallow::server
