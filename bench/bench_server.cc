#include "bench_server.h"

#include <fmt/core.h>

#include "base/check.h"
#include "base/digest.h"
#include "base/file.h"
#include "bench_provider.h"
#include "log/memory_log.h"
#include "log/sqlite_log.h"

namespace fallow::bench {

BenchServer::BenchServer(const Settings& settings) : folder_("."), tls_(settings.tls) {
  if (settings.durable) {
    log_ = must(log::SqliteLog::open(folder_.path() + "/log"));
  } else {
    log_ = std::make_unique<log::MemoryLog>();
  }
  server::ServerOptions options;
  options.port = 0;
  options.plain_http = !settings.tls;
  options.api.per_key = {};
  options.api.per_peer = {};
  server::ServerParts parts;
  parts.engine.log = log_.get();
  parts.engine.clock = clock_.get();
  parts.random = random_.get();
  server_ =
      must(server::Server::start(must(server::DataFolder::open(folder_.path())), options, parts));
  open_renter();
  add_nodes(settings);
}

BenchServer::~BenchServer() = default;

std::unique_ptr<net::BlockingHttpClient> BenchServer::connect() const {
  net::HttpClientOptions options;
  options.url = must(net::parse_url(server_->url()));
  if (tls_) options.tls = must(net::TlsClient::pinned(server_->certificate()));
  return std::make_unique<net::BlockingHttpClient>(std::move(options));
}

net::ClientRequest BenchServer::as_renter(std::string method, std::string target,
                                          std::string body) const {
  return with_key(renter_, std::move(method), std::move(target), std::move(body));
}

net::ClientRequest BenchServer::with_key(const std::string& key, std::string method,
                                         std::string target, std::string body) const {
  net::ClientRequest request;
  request.method = std::move(method);
  request.target = std::move(target);
  request.headers.set("Authorization", "Bearer " + key);
  request.headers.set("Content-Type", "application/json");
  request.body = std::move(body);
  return request;
}

void BenchServer::open_renter() {
  std::string operator_key = must(read_file(folder_.path() + "/operator.key", 200));
  operator_key.pop_back();
  const std::unique_ptr<net::BlockingHttpClient> client = connect();
  const net::Response opened = must(client->send(with_key(
      operator_key, "POST", "/v1/accounts", R"({"name": "renter", "scopes": ["RENTER"]})")));
  const std::size_t key = opened.body.find("fk_");
  FALLOW_CHECK(key != opened.body.npos, "no key in {}", opened.body);
  renter_ = opened.body.substr(key, 67);
  const std::string_view id_field = R"("id":")";
  const std::size_t id = opened.body.find(id_field);
  FALLOW_CHECK(id != opened.body.npos, "no account in {}", opened.body);
  const std::size_t begin = id + id_field.size();
  const std::string account = opened.body.substr(begin, opened.body.find('"', begin) - begin);
  const net::Response paid = must(client->send(
      with_key(operator_key, "POST", "/v1/deposits",
               fmt::format(R"({{"account": "{}", "amount": "1000000.00", "reference": "bench"}})",
                           account))));
  FALLOW_CHECK(paid.status == 200, "no money: {}", paid.body);
}

void BenchServer::add_nodes(const Settings& settings) {
  engine::Engine& engine = server_->engine();
  Provider provider(engine, settings.nodes);
  for (std::uint32_t i = 0; i < settings.nodes; ++i) {
    const std::uint64_t node =
        provider.join(i, to_bytes(digest_of(std::to_string(i))), settings.devices_per_node);
    v1::Command link;
    link.mutable_set_node_link()->set_node(node);
    link.mutable_set_node_link()->set_connected(true);
    apply(engine, link);
    v1::Command offer;
    offer.set_actor(provider.account());
    offer.mutable_set_offer()->set_node(node);
    offer.mutable_set_offer()->set_device_hour_micros(200'000 + i);
    offer.mutable_set_offer()->set_share_thousandths_min(1'000);
    apply(engine, offer);
  }
}

}  // namespace fallow::bench
