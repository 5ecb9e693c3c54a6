// Gangs of 8 nodes with 8 GPUs each, under four more conditions, in a market of which 60 % is
// leased.
#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/check.h"
#include "core/placement.h"
#include "match_market.h"
#include "match_parts.h"

namespace fallow::bench {
namespace {

constexpr std::uint32_t kNodes = 8;
constexpr std::uint32_t kGpus = 8;
constexpr std::size_t kRack = 16;
constexpr std::size_t kOrders = 64;

// The plain scan: every node is asked, and of the best that fit the groups are formed.
std::vector<NodeId> scan_gang(const std::deque<core::Node>& nodes, const core::Demand& demand) {
  const core::Matcher matcher(demand);
  std::vector<std::pair<core::Rank, const core::Node*>> fits;
  for (const core::Node& node : nodes) {
    if (const auto candidate = matcher.fit(node, core::Supply::kFree)) {
      fits.emplace_back(matcher.rank(node, *candidate), &node);
    }
  }
  const std::size_t count = std::min(fits.size(), core::kGangOffersMax);
  std::partial_sort(fits.begin(), fits.begin() + static_cast<std::ptrdiff_t>(count), fits.end());
  fits.resize(count);
  for (int level = 0; level < 3; ++level) {
    std::map<std::tuple<std::uint64_t, std::string, std::string>, std::vector<std::size_t>> groups;
    for (std::size_t at = 0; at < fits.size(); ++at) {
      const core::Node& node = *fits[at].second;
      if (level == 0 && node.facts.lan().empty()) continue;
      const auto key =
          level == 0   ? std::tuple(node.provider.value, node.facts.region(), node.facts.lan())
          : level == 1 ? std::tuple(std::uint64_t{0}, node.facts.region(), std::string())
                       : std::tuple(std::uint64_t{0}, std::string(), std::string());
      if (groups[key].size() < kNodes) groups[key].push_back(at);
    }
    std::pair<std::int64_t, std::size_t> least;
    const std::vector<std::size_t>* best = nullptr;
    for (const auto& [key, group] : groups) {
      if (group.size() < kNodes) continue;
      std::pair<std::int64_t, std::size_t> cost{0, group.back()};
      for (const std::size_t at : group) cost.first += fits[at].first.rate_hour.value;
      if (best != nullptr && least <= cost) continue;
      least = cost;
      best = &group;
    }
    if (best == nullptr) continue;
    std::vector<NodeId> gang;
    for (const std::size_t at : *best) gang.push_back(fits[at].second->id);
    return gang;
  }
  return {};
}

void measure(const std::string& label, MatchMarket& market, double seconds, Report& report) {
  std::vector<core::Demand> demands;
  while (demands.size() < kOrders) {
    core::Demand demand = market.order().demand;
    demand.requirements.set_gpus(kGpus);
    demand.requirements.set_nodes(kNodes);
    demands.push_back(std::move(demand));
  }
  std::size_t found = 0;
  std::size_t near = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    std::vector<NodeId> gang;
    for (const auto& placement : market.book().match_gang(demands[i])) {
      gang.push_back(placement.node->id);
    }
    FALLOW_CHECK(gang == scan_gang(market.nodes(), demands[i]),
                 "the book and the scan disagree on a gang");
  }
  std::vector<double> samples;
  for (const core::Demand& demand : demands) {
    std::vector<core::Placement> gang;
    samples.push_back(microseconds_of(seconds / static_cast<double>(kOrders),
                                      [&] { gang = market.book().match_gang(demand); }));
    if (gang.empty()) continue;
    ++found;
    const v1::NodeFacts& first = gang.front().node->facts;
    near += std::all_of(gang.begin(), gang.end(),
                        [&](const core::Placement& placement) {
                          return !first.lan().empty() && placement.node->facts.lan() == first.lan();
                        })
                ? 1
                : 0;
  }
  const double scan_us =
      microseconds_of(seconds, [&] { (void)scan_gang(market.nodes(), demands.front()); });
  const double median = quantile(samples, 0.5);
  report.add(label + ", median", median, "us",
             fmt::format("{} of {} found, {} in one rack; plain scan {:.0f} us, {:.0f} times",
                         found, kOrders, near, scan_us, scan_us / median));
  report.add(label + ", slowest", quantile(samples, 1), "us", "target below 1000 us");
}

// Racks of nodes with 8 devices: of one provider, region, model and price. Of each so many are
// free.
void make_racks(MatchMarket& market, std::size_t free_in_rack) {
  std::map<std::string, std::vector<core::Node*>> models;
  for (core::Node& node : market.nodes()) {
    if (node.devices.size() == kGpus) models[node.devices[0].facts.model()].push_back(&node);
  }
  std::uint64_t rack = 0;
  for (auto& [model, nodes] : models) {
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      core::Node& node = *nodes[i];
      const core::Node& first = *nodes[i - i % kRack];
      rack += i % kRack == 0 ? 1 : 0;
      node.provider = first.provider;
      node.facts.set_region(first.facts.region());
      node.facts.set_lan(fmt::format("rack {}", rack));
      node.offer.device_hour = first.offer.device_hour;
      const bool free = i % kRack < free_in_rack;
      for (core::NodeDevice& device : node.devices) {
        device.free_thousandths = free ? core::kWholeDevice : 0;
      }
      market.book().update(node);
    }
  }
}

}  // namespace

void measure_gangs(std::uint64_t offers, double seconds, Report& report) {
  MatchMarket market(offers);
  for (core::Node& node : market.nodes()) {
    if (market.random().below(100) >= 60) continue;
    for (core::NodeDevice& device : node.devices) device.free_thousandths = 0;
    market.book().update_load(node);
  }
  const std::string gang = fmt::format("{} offers, 64 GPUs on 8 nodes", offers);
  measure(gang + ", no racks", market, seconds, report);
  make_racks(market, kRack);
  measure(gang + ", racks free", market, seconds, report);
  make_racks(market, kNodes - 1);
  measure(gang + ", no rack suffices", market, seconds, report);
}

}  // namespace fallow::bench
