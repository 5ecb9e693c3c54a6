// A market in which every route has something to be asked about, the callers of the access tests,
// and how they ask.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "fallow/v1/agent.pb.h"
#include "server/access_rows_test.h"
#include "server/log_store.h"
#include "server/loopback_market_test.h"

namespace fallow::server {

class AccessWorld {
 public:
  // What is only the renter's to see (and the operator's) holds one of these words.
  static constexpr std::string_view
      kSecrets[] = {"canary-order",        "canary-command", "canary-variable", "canary-project",
                    "canary-label",        "canary-account", "canary-webhook",  "canary-team",
                    "Y2FuYXJ5LW91dHB1dAo="};  // "canary-output\n" in base64

  // What is only the provider's to see (and the operator's).
  static constexpr std::string_view kProviderSecrets[] = {"hidden-node", "hidden-label",
                                                          "hidden-provider"};

  AccessWorld() : market_(options()) {
    keys_[kOperator] = market_.operator_key();
    keys_[kRenter] = market_.add_account("canary-renter", "RENTER");
    keys_[kOtherRenter] = market_.add_account("other", "RENTER");
    keys_[kProvider] = market_.add_account("hidden-provider", "PROVIDER");
    keys_[kOtherProvider] = market_.add_account("other provider", "PROVIDER");
    market_.deposit(keys_[kRenter], "10.00");
    market_.deposit(keys_[kOtherRenter], "10.00");
    words_["account"] = market_.account_of(keys_[kRenter]);
    words_["reversed"] = "gone";
    market_.post("/v1/deposits", keys_[kOperator],
                 fmt::format(R"({{"account": "{}", "amount": "1", "reference": "gone"}})",
                             market_.account_of(keys_[kOtherRenter])));
    words_["api_key"] = keys_[kRenter];
    words_["node"] = market_.add_node(keys_[kProvider], "0.20");
    furnish_wallet();
    furnish_team();
    run_jobs();
    const Reply token = market_.post("/v1/join-tokens", keys_[kProvider], "{}");
    words_["secret"] = to_hex(parse_join_token(token.at("token"))->secret);
    words_["policy"] = market_.get("/v1/market", "").at("policy");
    store_artifacts();
    furnish_provider(
        to_hex(parse_join_token(market_.post("/v1/join-tokens", keys_[kProvider], "{}").at("token"))
                   ->secret));
  }

  // What the row asks, by an API key, or by `cookie` instead when it is not empty.
  Reply ask(const AccessRow& row, const std::string& key, const std::string& cookie = "",
            const std::string& site = "same-origin", const std::string& team = "") {
    const std::string_view route = row.route;
    const std::size_t blank = route.find(' ');
    net::ClientRequest request;
    request.method = route.substr(0, blank);
    request.target =
        filled(*row.target == '\0' ? std::string(route.substr(blank + 1)) : row.target);
    request.body = filled(row.body);
    request.headers.set("Sec-Fetch-Site", site);
    if (!cookie.empty()) request.headers.set("Cookie", cookie);
    if (!team.empty()) request.headers.set("Fallow-Team", team);
    if (request.target.starts_with("/v1/artifacts/")) add_artifact_headers(request);
    std::string streamed;  // an answer may never end: up to the first sign that it waits
    const bool is_live = request.target.ends_with("/telemetry");
    if (request.target.starts_with("/v1/events") || is_live) {
      request.sink = [&streamed](std::string_view bytes) -> Status {
        streamed += bytes;
        if (streamed.find("\n:") == streamed.npos && !streamed.starts_with(":")) return {};
        return fail(ErrorCode::kClosed, "that is all there is now");
      };
    }
    Reply reply = market_.send(std::move(request), key);
    reply.body += streamed;
    return reply;
  }

  // Signs in; the cookie to send.
  std::string session(Who caller) {
    return cookie_of(market_.post("/v1/session", "",
                                  fmt::format(R"({{"api_key": "{}"}})", keys_[caller]),
                                  {{"Sec-Fetch-Site", "same-origin"}}));
  }
  const std::string& key(Who caller) const { return keys_[caller]; }
  // A stranger who both rents and provides.
  std::string key_of_both() {
    const Reply made = market_.post("/v1/accounts", keys_[kOperator],
                                    R"({"name": "both", "scopes": ["RENTER", "PROVIDER"]})");
    EXPECT_EQ(made.status, 200) << made.body;
    const Reply paid =
        market_.post("/v1/deposits", keys_[kOperator],
                     fmt::format(R"({{"account": "{}", "amount": "10", "reference": "both"}})",
                                 made.at("account.id")));
    EXPECT_EQ(paid.status, 200) << paid.body;
    return made.at("api_key");
  }
  // One of the caller's own that may only what the role may.
  std::string key_of_role(Who caller, const std::string& role) {
    const Reply made =
        market_.post("/v1/keys", keys_[caller], fmt::format(R"({{"role": "{}"}})", role));
    EXPECT_EQ(made.status, 200) << made.body;
    return made.at("api_key");
  }
  // Of another account with the caller's scopes, which has the role in the caller's account.
  std::string key_of_member(Who caller, const std::string& role) {
    const char* scope = caller == kOperator ? "OPERATOR" : provides(caller) ? "PROVIDER" : "RENTER";
    const std::string key = market_.add_account("member", scope);
    const Reply set = market_.put("/v1/members/" + market_.account_of(key), keys_[caller],
                                  fmt::format(R"({{"role": "{}"}})", role));
    EXPECT_EQ(set.status, 200) << set.body;
    const Reply joined = market_.put("/v1/teams/" + account_of(caller), key, "{}");
    EXPECT_EQ(joined.status, 200) << joined.body;
    return key;
  }
  std::string account_of(Who caller) { return market_.get("/v1/account", keys_[caller]).at("id"); }
  // One of the caller's own that has run out.
  std::string expired_key(Who caller) {
    const Reply made = market_.post("/v1/keys", keys_[caller], R"({"hours": 0.00001})");
    EXPECT_EQ(made.status, 200) << made.body;
    std::this_thread::sleep_for(std::chrono::milliseconds(60));  // 36 ms are over
    return made.at("api_key");
  }
  LoopbackMarket& market() { return market_; }

  std::string filled(std::string text) const {
    for (const auto& [name, value] : words_) {
      const std::string marked = "{" + name + "}";
      for (std::size_t at; (at = text.find(marked)) != text.npos;) {
        text.replace(at, marked.size(), value);
      }
    }
    return text;
  }

 private:
  static ServerOptions options() {
    ServerOptions options;
    options.api.heartbeat = milliseconds(20);
    options.api.per_peer = {1e6, 1'000'000};
    // The node that runs a lease is never heard of; however slow the machine, that ends nothing.
    options.policy.set_suspend_after_us(hours(24).value);
    options.policy.set_close_after_us(hours(24).value);
    options.policy.set_holds_deposits(false);
    options.webhook_targets = *WebhookTargets::of({"127.0.0.0/8"});
    options.try_policy = [](const v1::Policy& policy, const std::function<bool()>&) {
      v1::PolicyTrialView view;
      *view.mutable_policy() = policy;
      return Result<v1::PolicyTrialView>(std::move(view));
    };
    return options;
  }

  void furnish_wallet() {
    const std::string& key = keys_[kRenter];
    const Reply budget = market_.put("/v1/wallet/budget", key,
                                     R"({"total_budget": "5.00", "project": "canary-project"})");
    EXPECT_EQ(budget.status, 200) << budget.body;
    const Reply asked = market_.post("/v1/withdrawals", key,
                                     R"({"amount": "1.00", "destination": "canary-account"})");
    EXPECT_EQ(asked.status, 200) << asked.body;
    words_["payout"] = market_.get("/v1/payouts", market_.operator_key()).at("payouts.0.id");
    words_["key"] = market_.post("/v1/keys", key, R"({"label": "canary-label"})").at("key.id");
  }

  // Nobody listens at the discard port.
  void furnish_team() {
    const Reply webhook =
        market_.post("/v1/webhooks", keys_[kRenter],
                     R"({"url": "http://127.0.0.1:9/canary-webhook", "kinds": ["order_ended"]})");
    EXPECT_EQ(webhook.status, 200) << webhook.body;
    words_["webhook"] = webhook.at("webhook.id");
    const std::string member = market_.add_account("somebody", "RENTER");
    words_["member"] = market_.account_of(member);
    const std::string team = market_.add_account("canary-team", "RENTER");
    words_["team"] = market_.account_of(team);
    const auto set = [this](const std::string& key, const std::string& id) {
      const Reply done = market_.put("/v1/members/" + id, key, R"({"role": "VIEWER"})");
      EXPECT_EQ(done.status, 200) << done.body;
    };
    set(keys_[kRenter], words_["member"]);
    set(team, words_["account"]);
  }
  static bool provides(Who caller) { return caller == kProvider || caller == kOtherProvider; }

  // A node that is not offered: nobody else has anything to do with it.
  void furnish_provider(const std::string& secret) {
    const Reply node = market_.post("/v1/nodes", "",
                                    fmt::format(R"({{"secret": "{}", "public_key": "{:0>64}",
            "facts": {{"name": "hidden-node", "region": "eu"}}}})",
                                                secret, "7"));
    EXPECT_EQ(node.status, 200) << node.body;
    const Reply key = market_.post("/v1/keys", keys_[kProvider], R"({"label": "hidden-label"})");
    EXPECT_EQ(key.status, 200) << key.body;
  }

  // One job that ended, with output and a bill, and one that runs.
  void run_jobs() {
    for (const bool ends : {true, false}) {
      const Reply order = market_.post("/v1/orders", keys_[kRenter],
                                       R"({"requirements": {}, "name": "canary-order",
            "project": "canary-project", "workload": {"command": ["canary-command"],
            "environment": [{"name": "A", "value": "canary-variable"}], "collect_output": true}})");
      ASSERT_EQ(order.status, 200) << order.body;
      const std::string lease = order.at("tasks.0.lease");
      ASSERT_NE(lease, "0") << order.body;
      words_[ends ? "ended_order" : "order"] = order.at("id");
      words_[ends ? "ended_lease" : "lease"] = lease;
      market_.report(words_["node"], lease, v1::RUNNING, 1'000);
      v1::LogChunk chunk;
      chunk.set_lease(std::stoull(lease));
      chunk.set_stream(v1::STDOUT);
      chunk.set_data("canary-output\n");
      chunk.set_last(ends);
      const auto output = LogStore::open(market_.folder() + "/output").value();
      output->append(chunk);
      // Nobody who asks for it waits for more.
      chunk.set_stream(v1::STDERR);
      chunk.set_data("");
      if (ends) output->append(chunk);
      if (ends) market_.report(words_["node"], lease, v1::ENDED, 0, to_bytes(digest_of(kStored)));
    }
  }

  void store_artifacts() {
    words_["digest"] = to_hex(digest_of(kStored));
    words_["begun"] = to_hex(digest_of(kBegun));
    const auto send = [this](const char* method, const std::string& digest, std::string_view body,
                             net::Headers headers) {
      return market_
          .send(method, "/v1/artifacts/" + digest, keys_[kRenter], std::string(body),
                std::move(headers))
          .status;
    };
    EXPECT_EQ(
        send("PUT", words_["digest"], kStored, {{"Content-Type", "application/octet-stream"}}),
        201);
    EXPECT_EQ(send("POST", words_["begun"], "", {{"Upload-Length", std::to_string(kBegun.size())}}),
              201);
  }

  static void add_artifact_headers(net::ClientRequest& request) {
    if (request.method == "PUT") request.body = kStored;
    if (request.method == "POST") request.headers.set("Upload-Length", "11");
    if (request.method == "PATCH") {
      request.body = kBegun;
      request.headers.set("Upload-Offset", "0");
    }
    if (!request.body.empty()) request.headers.set("Content-Type", "application/octet-stream");
  }

  static constexpr std::string_view kStored = "artifact's bytes";
  static constexpr std::string_view kBegun = "half-stored";

  LoopbackMarket market_;
  std::string keys_[kCallers];
  std::map<std::string, std::string> words_;
};

// A world in which a row finds nothing changed by those before it, nor by its own askers where the
// next of them would be answered otherwise for it. What was refused is taken to have changed
// nothing: who may then still can. To make a world takes longer than many questions.
class UnchangedWorld {
 public:
  // Another row is asked now.
  void next_row() {
    if (is_spent_) world_.reset();
    is_spent_ = false;
  }
  AccessWorld& get() {
    if (!world_) {
      world_ = std::make_unique<AccessWorld>();
      ++made_;
    }
    return *world_;
  }
  // The row was asked in it.
  void answered(const AccessRow& row, const Reply& reply) {
    if (reply.status >= 300 || !changes_something(row)) return;
    is_spent_ = true;
    if (!may_be_repeated(row)) next_row();
  }
  // Grows with every world: what was got of one is of no use in the next.
  int made() const { return made_; }

 private:
  std::unique_ptr<AccessWorld> world_;
  bool is_spent_ = false;
  int made_ = 0;
};

}  // namespace fallow::server
