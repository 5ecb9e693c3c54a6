#include <fmt/core.h>

#include <chrono>
#include <vector>

#include "match_market.h"
#include "match_parts.h"

namespace fallow::bench {
namespace {

constexpr std::uint64_t kChangesPerOrder = 5;
constexpr std::uint64_t kEventsPerSecond = 120'000;  // 100,000 changes and 20,000 orders
constexpr std::size_t kOrders = 16'384;
constexpr std::uint64_t kLoadPercent = 60;

struct Lease {
  std::size_t node = 0;
  std::uint32_t device = 0;
};

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void set_free(MatchMarket& market, const Lease& lease, std::uint32_t free) {
  core::Node& node = market.nodes()[lease.node];
  node.devices[lease.device].free_thousandths = free;
  market.book().update_load(node);
}

}  // namespace

void measure_tails(std::uint64_t offers, double seconds, Report& report) {
  MatchMarket market(offers);
  std::deque<Wanted> orders;
  for (std::size_t i = 0; i < kOrders; ++i) {
    orders.push_back(market.order());
    orders.back().demand.requirements.set_gpus(1);
  }
  Random& random = market.random();
  std::vector<Lease> leases;  // as many as devices at most
  const std::uint64_t leases_max = market.devices() * kLoadPercent / 100;
  std::size_t at = 0;
  const auto order = [&] {
    const std::int64_t began = now_ns();
    const auto placement = market.book().match(orders[at = (at + 1) % kOrders].demand);
    const std::int64_t took = now_ns() - began;
    if (placement) {
      leases.push_back({placement->node->id.value / 4'096 - 1, placement->devices.front()});
      set_free(market, leases.back(), 0);
    }
    while (leases.size() > leases_max) {
      std::swap(leases[random.below(leases.size())], leases.back());
      set_free(market, leases.back(), core::kWholeDevice);
      leases.pop_back();
    }
    return took;
  };
  for (std::uint64_t i = 0; i < 4 * market.devices() && leases.size() < leases_max; ++i) order();

  std::vector<std::int64_t> own;
  std::vector<std::int64_t> since_arrival;
  const auto events = static_cast<std::uint64_t>(seconds * kEventsPerSecond);
  const std::int64_t start = now_ns();
  for (std::uint64_t i = 0; i < events; ++i) {
    const auto due = start + static_cast<std::int64_t>(i * 1'000'000'000 / kEventsPerSecond);
    while (now_ns() < due) {
    }
    if (i % (kChangesPerOrder + 1) < kChangesPerOrder) {
      core::Node& node = market.nodes()[random.below(offers)];
      const std::int64_t price = node.offer.device_hour.value;
      node.offer.device_hour = Micros(
          price - price / 20 +
          static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(price / 10 + 1))));
      market.book().update(node);
      continue;
    }
    own.push_back(order());
    since_arrival.push_back(now_ns() - due);
  }
  const double kept_up =
      static_cast<double>(events) / (static_cast<double>(now_ns() - start) / 1e9);
  const auto add = [&](const char* what, std::vector<std::int64_t>& ns) {
    const std::string label =
        fmt::format("{} offers, 100k changes/s and 20k orders/s, {}", offers, what);
    report.add(label + ", p50", static_cast<double>(quantile(ns, 0.5)) / 1e3, "us");
    report.add(label + ", p99", static_cast<double>(quantile(ns, 0.99)) / 1e3, "us");
    report.add(label + ", max", static_cast<double>(quantile(ns, 1.0)) / 1e3, "us",
               fmt::format("{} orders, {:.0f} events/s kept up", ns.size(), kept_up));
  };
  add("a match", own);
  add("order from its arrival until placed", since_arrival);
}

}  // namespace fallow::bench
