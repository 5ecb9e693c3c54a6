// placement_bench: placements a second through the whole path: a renter's order over REST, matched,
// written to a durable log, answered. bench/peers/slurm.py puts slurmctld beside it.
#include <CLI/CLI.hpp>
#include <chrono>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/check.h"
#include "bench_provider.h"
#include "bench_report.h"
#include "bench_server.h"

namespace fallow::bench {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::string_view kOrder =
    R"({"requirements": {"query": "gpu_ram>=24 num_gpus>=1", "hours": 1},
        "workload": {"command": ["true"]}})";

// `orders` orders of one device each over `clients` connections; microseconds of each.
std::vector<double> place(BenchServer& server, std::size_t clients, std::size_t orders) {
  std::vector<double> times_us;
  std::mutex mutex;
  std::vector<std::jthread> threads;
  for (std::size_t c = 0; c < clients; ++c) {
    const std::size_t share = orders / clients + (c < orders % clients ? 1 : 0);
    threads.emplace_back([&, share] {
      const std::unique_ptr<net::BlockingHttpClient> client = server.connect();
      const net::ClientRequest order = server.as_renter("POST", "/v1/orders", std::string(kOrder));
      std::vector<double> own_us;
      for (std::size_t i = 0; i < share; ++i) {
        const Steady::time_point began = Steady::now();
        const net::Response response = must(client->send(order));
        const std::chrono::duration<double, std::micro> took = Steady::now() - began;
        FALLOW_CHECK(response.status == 200, "an order was not taken: {}", response.body);
        own_us.push_back(took.count());
      }
      const std::lock_guard lock(mutex);
      times_us.insert(times_us.end(), own_us.begin(), own_us.end());
    });
  }
  threads.clear();
  return times_us;
}

std::size_t leases_open(engine::Engine& engine) {
  std::promise<std::size_t> promise;
  must(engine
           .read([&promise](const core::Machine& machine) {
             promise.set_value(machine.counts().leases_open);
           })
           .map([] { return 0; }));
  return promise.get_future().get();
}

}  // namespace
}  // namespace fallow::bench

int main(int argc, char** argv) {
  fallow::bench::BenchServer::Settings settings;
  settings.tls = true;
  settings.durable = true;
  settings.nodes = 1'000;
  settings.devices_per_node = 8;
  bool json = false;
  std::size_t orders = 4'000;
  std::size_t clients = 8;
  CLI::App app("Placements a second through the whole path: TLS, REST, match, durable log");
  app.add_flag("--json", json, "print one JSON object");
  app.add_option("--nodes", settings.nodes, "nodes of 8 devices");
  app.add_option("--orders", orders, "orders of one device each");
  app.add_option("--clients", clients, "connections at once");
  CLI11_PARSE(app, argc, argv);
  FALLOW_CHECK(orders <= std::size_t{settings.nodes} * settings.devices_per_node,
               "there are fewer devices than orders");

  fallow::bench::BenchServer server(settings);
  const auto began = std::chrono::steady_clock::now();
  std::vector<double> times_us = fallow::bench::place(server, clients, orders);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  const std::size_t placed = fallow::bench::leases_open(server.server().engine());
  FALLOW_CHECK(placed == orders, "{} of {} orders have a lease", placed, orders);
  fallow::bench::Report report;
  const std::string market =
      fmt::format("{} nodes of 8 devices, {} clients", settings.nodes, clients);
  report.add("placements, " + market, static_cast<double>(orders) / took.count(), "1/s");
  report.add("an order's answer, p50", fallow::bench::quantile(times_us, 0.5) / 1'000, "ms");
  report.add("an order's answer, p99", fallow::bench::quantile(times_us, 0.99) / 1'000, "ms");
  report.print(json);
  return 0;
}
