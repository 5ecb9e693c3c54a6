// server_bench: what a request costs over one kept connection, from the client's first byte to its
// last, on the loopback: a quote (parsed, matched, priced, sealed, written as JSON) beside
// /healthz, which only passes through the HTTP server.
#include <CLI/CLI.hpp>
#include <chrono>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/join_token.h"
#include "bench_folder.h"
#include "bench_provider.h"
#include "bench_report.h"
#include "log/memory_log.h"
#include "net/http_client.h"
#include "server/server.h"

namespace fallow::bench {
namespace {

using Steady = std::chrono::steady_clock;

struct Settings {
  bool json = false;
  bool tls = false;
  std::size_t requests = 5'000;
  std::uint32_t nodes = 1'000;
};

// A server over a log in memory: the disk is engine_bench's subject.
class Market {
 public:
  explicit Market(const Settings& settings) : folder_(".") {
    server::ServerOptions options;
    options.port = 0;
    options.plain_http = !settings.tls;
    options.api.per_key = {};
    options.api.per_peer = {};
    server::ServerParts parts;
    parts.engine.log = &log_;
    parts.engine.clock = clock_.get();
    parts.random = random_.get();
    server_ =
        must(server::Server::start(must(server::DataFolder::open(folder_.path())), options, parts));
    net::HttpClientOptions client;
    client.url = must(net::parse_url(server_->url()));
    if (settings.tls) client.tls = must(net::TlsClient::pinned(server_->certificate()));
    client_ = std::make_unique<net::BlockingHttpClient>(std::move(client));
    std::string operator_key = must(read_file(folder_.path() + "/operator.key", 200));
    operator_key.pop_back();
    renter_ = account(operator_key, "RENTER");
    add_nodes(settings.nodes);
  }

  net::ClientRequest healthz() const {
    net::ClientRequest request;
    request.target = "/healthz";
    return request;
  }
  net::ClientRequest quote() const {
    return with_key("POST", "/v1/quotes", renter_,
                    R"({"query": "gpu_ram>=24 num_gpus>=1 region in [eu,us]", "hours": 2})");
  }
  // Microseconds of each of `count` requests, one after another.
  std::vector<double> measure(const net::ClientRequest& request, std::size_t count) {
    std::vector<double> times_us;
    for (std::size_t i = 0; i < count; ++i) {
      const Steady::time_point began = Steady::now();
      const net::Response response = must(client_->send(request));
      const std::chrono::duration<double, std::micro> took = Steady::now() - began;
      FALLOW_CHECK(response.status == 200, "{}: {}", request.target, response.body);
      times_us.push_back(took.count());
    }
    return times_us;
  }

 private:
  static net::ClientRequest with_key(std::string method, std::string target, const std::string& key,
                                     std::string body) {
    net::ClientRequest request;
    request.method = std::move(method);
    request.target = std::move(target);
    request.headers.set("Authorization", "Bearer " + key);
    request.headers.set("Content-Type", "application/json");
    request.body = std::move(body);
    return request;
  }

  std::string account(const std::string& operator_key, const std::string& scope) {
    const net::Response response = must(client_->send(
        with_key("POST", "/v1/accounts", operator_key,
                 fmt::format(R"({{"name": "{}", "scopes": ["{}"]}})", scope, scope))));
    const std::size_t begin = response.body.find("fk_");
    FALLOW_CHECK(begin != response.body.npos, "no key in {}", response.body);
    return response.body.substr(begin, 67);
  }

  void add_nodes(std::uint32_t count) {
    engine::Engine& engine = server_->engine();
    Provider provider(engine, count);
    for (std::uint32_t i = 0; i < count; ++i) {
      const std::uint64_t node = provider.join(i, to_bytes(digest_of(std::to_string(i))));
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

  Folder folder_;
  std::unique_ptr<Clock> clock_ = system_clock();
  std::unique_ptr<Random> random_ = system_random();
  log::MemoryLog log_;
  std::unique_ptr<server::Server> server_;
  std::unique_ptr<net::BlockingHttpClient> client_;
  std::string renter_;
};

void add(Report& report, const std::string& name, std::vector<double> times_us,
         std::string_view beside) {
  report.add(name + ", p50", quantile(times_us, 0.5), "us", beside);
  report.add(name + ", p99", quantile(times_us, 0.99), "us");
}

}  // namespace
}  // namespace fallow::bench

int main(int argc, char** argv) {
  fallow::bench::Settings settings;
  CLI::App app("What a request costs over one kept connection");
  app.add_flag("--json", settings.json, "print one JSON object");
  app.add_flag("--tls", settings.tls, "over TLS");
  app.add_option("--requests", settings.requests, "requests of each kind");
  app.add_option("--nodes", settings.nodes, "offers in the market");
  CLI11_PARSE(app, argc, argv);

  fallow::bench::Market market(settings);
  fallow::bench::Report report;
  market.measure(market.quote(), 200);  // warm
  fallow::bench::add(report, "REST quote", market.measure(market.quote(), settings.requests),
                     "target: under 500 us");
  fallow::bench::add(report, "/healthz", market.measure(market.healthz(), settings.requests),
                     "what HTTP alone costs");
  report.print(settings.json);
  return 0;
}
