// A whole server over a log in memory, on a free port of the loopback, and the people who use it.
#pragma once

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/env.h"
#include "base/file.h"
#include "base/join_token.h"
#include "base/signing.h"
#include "log/memory_log.h"
#include "net/http_client.h"
#include "server/server.h"

namespace fallow::server {

// A test's own folder, gone with it.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string path = ::testing::TempDir() + "fallow-server-XXXXXX";
    EXPECT_NE(::mkdtemp(path.data()), nullptr);
    path_ = path;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct Reply {
  int status = 0;
  net::Headers headers;
  std::string body;

  // The body's member at a path ("account.id"), as text; empty when there is none.
  std::string at(std::string_view path) const {
    boost::json::error_code error;
    boost::json::value value = boost::json::parse(body, error);
    while (!error && !path.empty()) {
      const std::size_t dot = std::min(path.find('.'), path.size());
      const std::string_view part = path.substr(0, dot);
      path.remove_prefix(std::min(dot + 1, path.size()));
      boost::json::value inner;
      if (value.is_array()) {
        const auto at = static_cast<std::size_t>(std::stoul(std::string(part)));
        if (at < value.get_array().size()) inner = value.get_array()[at];
      } else if (value.is_object() && value.get_object().contains(part)) {
        inner = value.get_object().at(part);
      }
      value = std::move(inner);
    }
    if (error || value.is_null()) return {};
    return value.is_string() ? std::string(value.get_string().c_str())
                             : boost::json::serialize(value);
  }
};

// "name=secret", as a browser sends it back; empty when none was set.
inline std::string cookie_of(const Reply& reply) {
  const std::string* set = reply.headers.find("Set-Cookie");
  return set == nullptr ? "" : set->substr(0, set->find(';'));
}

class LoopbackMarket {
 public:
  explicit LoopbackMarket(ServerOptions options = {}, bool plain = true)
      : options_(std::move(options)), clock_(system_clock()), random_(system_random()) {
    options_.port = 0;
    options_.plain_http = plain;
    options_.engine.snapshot_at_stop_commands_min = 0;
    start();
    if (server_) operator_ = trimmed(*read_file(folder_.path() + "/operator.key", 200));
  }

  // Stops and starts again on the same log and folder.
  void restart() {
    stop();
    start();
  }
  bool stop() {
    if (!server_) return true;
    const bool complete = server_->stop();
    server_.reset();
    return complete;
  }

  // Joins a node of the provider with one GPU, connects it, and offers it.
  std::string add_node(const std::string& provider, const std::string& price) {
    const Reply token = post("/v1/join-tokens", provider, "{}");
    const auto parsed = parse_join_token(token.at("token"));
    EXPECT_TRUE(parsed) << token.body;
    const SigningKey key = SigningKey::generate(*random_);
    const Reply node = post(
        "/v1/nodes", "",
        fmt::format(R"({{"secret": "{}", "public_key": "{}", "facts": {{"name": "n", "region": "eu",
            "cpu_thousandths": 8000, "memory_mb": 32000, "disk_mb": 100000, "isolation": "BUBBLEWRAP",
            "devices": [{{"index": 0, "uuid": "u", "model": "RTX_4090", "kind": "GPU",
                          "memory_mb": 24564}}]}}}})",
                    to_hex(parsed->secret), to_hex(key.public_key())));
    EXPECT_EQ(node.status, 200) << node.body;
    std::string id = node.at("id");
    v1::Command link;
    link.mutable_set_node_link()->set_node(std::stoull(id));
    link.mutable_set_node_link()->set_connected(true);
    EXPECT_TRUE(server_->engine().execute(link));
    const Reply offer = put("/v1/nodes/" + id + "/offer", provider,
                            fmt::format(R"({{"price_per_hour": "{}"}})", price));
    EXPECT_EQ(offer.status, 200) << offer.body;
    return id;
  }

  // What the node says of a lease, as the hub would hand it to the market.
  void report(const std::string& node, const std::string& lease, v1::LeaseState state,
              std::int64_t running_us, const std::string& output_manifest = "",
              std::int64_t slowed_us = 0) {
    v1::Command command;
    v1::Observe& observe = *command.mutable_observe();
    observe.set_node(std::stoull(node));
    observe.set_owner(v1::OWNER_AWAY);
    v1::WorkloadReport& workload = *observe.add_workloads();
    workload.set_lease(std::stoull(lease));
    workload.set_state(state);
    workload.set_output_manifest(output_manifest);
    if (running_us > 0) {
      v1::MeterRecord& record = *workload.add_meters();
      record.set_lease(std::stoull(lease));
      record.set_sequence(1);
      record.set_running_us(running_us);
      record.set_slowed_us(slowed_us);
      record.set_signature(std::string(64, 's'));
    }
    if (state == v1::ENDED) workload.set_reason(v1::COMPLETED);
    ASSERT_TRUE(server_->engine().execute(command));
  }

  // Opens an account and gives out its key.
  std::string add_account(const std::string& name, const std::string& scope) {
    const Reply reply = post("/v1/accounts", operator_,
                             fmt::format(R"({{"name": "{}", "scopes": ["{}"]}})", name, scope));
    EXPECT_EQ(reply.status, 200) << reply.body;
    account_[reply.at("api_key")] = reply.at("account.id");
    return reply.at("api_key");
  }
  void deposit(const std::string& key, const std::string& amount) {
    const Reply reply =
        post("/v1/deposits", operator_,
             fmt::format(R"({{"account": "{}", "amount": "{}", "reference": "{}"}})",
                         account_of(key), amount, ++references_));
    EXPECT_EQ(reply.status, 200) << reply.body;
  }

  Reply get(const std::string& path, const std::string& key, net::Headers headers = {}) {
    return send("GET", path, key, {}, std::move(headers));
  }
  Reply post(const std::string& path, const std::string& key, std::string body,
             net::Headers headers = {}) {
    return send("POST", path, key, std::move(body), std::move(headers));
  }
  Reply put(const std::string& path, const std::string& key, std::string body) {
    return send("PUT", path, key, std::move(body), {});
  }
  Reply send(const std::string& method, const std::string& path, const std::string& key,
             std::string body, net::Headers headers) {
    net::ClientRequest request;
    request.method = method;
    request.target = path;
    request.headers = std::move(headers);
    request.body = std::move(body);
    return send(std::move(request), key);
  }
  Reply send(net::ClientRequest request, const std::string& key) {
    if (!key.empty()) request.headers.set("Authorization", "Bearer " + key);
    if (!request.body.empty() && request.headers.find("Content-Type") == nullptr) {
      request.headers.set("Content-Type", "application/json");
    }
    Reply reply;
    const auto user_head = std::move(request.on_head);
    request.on_head = [&](const net::Response& head) -> Status {
      reply.status = head.status;
      reply.headers = head.headers;
      return user_head ? user_head(head) : Status();
    };
    auto response = client_->send(std::move(request));
    if (response) reply.body = std::move(response->body);
    return reply;
  }

  // The events of a stream, up to count_max or its end.
  std::vector<net::SseEvent> follow(const std::string& path, const std::string& key,
                                    std::size_t count_max, net::Headers headers = {}) {
    std::vector<net::SseEvent> events;
    net::SseParser parser;
    net::ClientRequest request;
    request.target = path;
    request.headers = std::move(headers);
    request.stall_timeout = seconds(10);
    request.sink = [&](std::string_view bytes) -> Status {
      parser.feed(bytes);
      while (true) {
        FALLOW_ASSIGN(auto event, parser.next());
        if (!event) return {};
        events.push_back(std::move(*event));
        if (events.size() >= count_max) return fail(ErrorCode::kClosed, "enough");
      }
    };
    send(std::move(request), key);
    return events;
  }

  Server& server() { return *server_; }
  const std::string& operator_key() const { return operator_; }
  const std::string& account_of(const std::string& key) const { return account_.at(key); }
  const std::string& folder() const { return folder_.path(); }
  net::BlockingHttpClient& client() { return *client_; }

  void start() {
    auto data = DataFolder::open(folder_.path());
    ASSERT_TRUE(data) << data.error().message;
    ServerParts parts;
    parts.engine.log = &log_;
    parts.engine.clock = clock_.get();
    parts.random = random_.get();
    auto server = Server::start(*data, options_, parts);
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
    net::HttpClientOptions client;
    client.url = *net::parse_url(server_->url());
    if (client.url.is_tls) client.tls = *net::TlsClient::pinned(server_->certificate());
    client_ = std::make_unique<net::BlockingHttpClient>(std::move(client));
  }

 private:
  static std::string trimmed(std::string text) {
    text.resize(text.find_last_not_of('\n') + 1);
    return text;
  }

  ServerOptions options_;
  std::unique_ptr<Clock> clock_;
  std::unique_ptr<Random> random_;
  TemporaryFolder folder_;
  log::MemoryLog log_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<net::BlockingHttpClient> client_;
  std::string operator_;
  std::map<std::string, std::string> account_;  // by key
  int references_ = 0;
};

// Who is asked in the tests: one of each.
struct People {
  explicit People(LoopbackMarket& market)
      : renter(market.add_account("renter", "RENTER")),
        other(market.add_account("other", "RENTER")),
        provider(market.add_account("provider", "PROVIDER")) {
    market.deposit(renter, "10.00");
  }
  std::string renter, other, provider;
};

}  // namespace fallow::server
