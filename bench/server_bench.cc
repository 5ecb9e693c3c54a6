// server_bench: what a request costs over one kept connection, from the client's first byte to its
// last, on the loopback: a quote (parsed, matched, priced, sealed, written as JSON) beside
// /healthz, which only passes through the HTTP server.
#include <CLI/CLI.hpp>
#include <chrono>
#include <string>
#include <vector>

#include "base/check.h"
#include "bench_provider.h"
#include "bench_report.h"
#include "bench_server.h"

namespace fallow::bench {
namespace {

using Steady = std::chrono::steady_clock;

// Microseconds of each of `count` requests, one after another.
std::vector<double> measure(net::BlockingHttpClient& client, const net::ClientRequest& request,
                            std::size_t count) {
  std::vector<double> times_us;
  for (std::size_t i = 0; i < count; ++i) {
    const Steady::time_point began = Steady::now();
    const net::Response response = must(client.send(request));
    const std::chrono::duration<double, std::micro> took = Steady::now() - began;
    FALLOW_CHECK(response.status == 200, "{}: {}", request.target, response.body);
    times_us.push_back(took.count());
  }
  return times_us;
}

void add(Report& report, const std::string& name, std::vector<double> times_us,
         std::string_view beside) {
  report.add(name + ", p50", quantile(times_us, 0.5), "us", beside);
  report.add(name + ", p99", quantile(times_us, 0.99), "us");
}

}  // namespace
}  // namespace fallow::bench

int main(int argc, char** argv) {
  fallow::bench::BenchServer::Settings settings;  // a log in memory: the disk is engine_bench's
  settings.nodes = 1'000;
  bool json = false;
  std::size_t requests = 5'000;
  CLI::App app("What a request costs over one kept connection");
  app.add_flag("--json", json, "print one JSON object");
  app.add_flag("--tls", settings.tls, "over TLS");
  app.add_option("--requests", requests, "requests of each kind");
  app.add_option("--nodes", settings.nodes, "offers in the market");
  CLI11_PARSE(app, argc, argv);

  fallow::bench::BenchServer server(settings);
  const auto client = server.connect();
  const fallow::net::ClientRequest quote =
      server.as_renter("POST", "/v1/quotes",
                       R"({"query": "gpu_ram>=24 num_gpus>=1 region in [eu,us]", "hours": 2})");
  fallow::net::ClientRequest health;
  health.target = "/healthz";
  fallow::bench::Report report;
  fallow::bench::measure(*client, quote, 200);  // warm
  fallow::bench::add(report, "REST quote", fallow::bench::measure(*client, quote, requests),
                     "target: under 500 us");
  fallow::bench::add(report, "/healthz", fallow::bench::measure(*client, health, requests),
                     "what HTTP alone costs");
  report.print(json);
  return 0;
}
