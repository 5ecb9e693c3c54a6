#include <fmt/core.h>

#include <functional>
#include <limits>

#include "base/check.h"
#include "match_market.h"
#include "match_parts.h"

namespace fallow::bench {
namespace {

// All offers of one class, and the same as columns.
class Trap {
 public:
  using Shape = std::function<void(core::Node&, std::uint64_t)>;

  Trap(std::uint64_t offers, const Shape& shape) {
    for (std::uint64_t i = 0; i < offers; ++i) {
      core::Node& node = nodes_.emplace_back();
      node.id = NodeId(i + 1);
      node.facts.set_region("here");
      node.facts.set_cpu_thousandths(8'000);
      node.facts.set_memory_mb(16'000);
      node.facts.set_disk_mb(1'000'000);
      node.facts.set_download_mbps(100);
      node.facts.set_isolation(v1::BUBBLEWRAP);
      node.connected = true;
      node.leases_broken = 20;
      core::NodeDevice& device = node.devices.emplace_back();
      device.facts.set_model("Trap");
      device.facts.set_kind(v1::GPU);
      device.facts.set_memory_mb(24'576);
      node.offer.id = OfferId(i + 1);
      node.offer.share_thousandths_min = 100;
      node.offer.device_hour = Micros(static_cast<std::int64_t>(1'000 + i));
      shape(node, i);
      node.cpu_thousandths_free = node.facts.cpu_thousandths();
      node.memory_mb_free = node.facts.memory_mb();
      node.disk_mb_free = node.facts.disk_mb();
    }
    // Entered in an order that is not that of the prices.
    const std::unique_ptr<Random> random = seeded_random(7);
    std::vector<const core::Node*> order;
    for (const core::Node& node : nodes_) order.push_back(&node);
    for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random->below(i)]);
    for (const core::Node* node : order) {
      book_.update(*node);
      const std::int64_t price = node->offer.device_hour.value + node->offer.disk_gb_hour.value;
      columns_.price.push_back(static_cast<std::uint32_t>(
          std::min<std::int64_t>(price, std::numeric_limits<std::uint32_t>::max() - 1)));
      columns_.reliability.push_back(core::reliability_ppm(*node));
      columns_.download.push_back(node->facts.download_mbps());
      columns_.memory.push_back(node->facts.memory_mb());
      columns_.model.push_back(0);
      columns_.region.push_back(0);
      columns_.whole.push_back(1);
    }
  }

  void measure(const char* name, const core::Demand& demand, const Wanted& wanted, double seconds,
               Report& report) {
    const core::BlockAsk ask = book_.prepare(demand);
    std::optional<core::BlockBook::Hit> hit;
    const double match_us = microseconds_of(seconds, [&] { hit = book_.find(ask); });
    std::uint32_t price = 0;
    const double scan_us = microseconds_of(seconds, [&] { price = scan(columns_, wanted); });
    FALLOW_CHECK(hit.has_value() == (price + 1 != 0), "the book and the scan disagree on {}", name);
    report.add(
        fmt::format("{} offers, adversary: {}", nodes_.size(), name), match_us, "us",
        fmt::format("plain scan of columns {:.0f} us: {:.2f} of it", scan_us, match_us / scan_us));
  }

 private:
  std::deque<core::Node> nodes_;
  core::BlockBook book_;
  Columns columns_;
};

Wanted anything() {
  Wanted wanted;
  wanted.regions = 1;
  return wanted;
}

}  // namespace

void measure_adversaries(std::uint64_t offers, double seconds, Report& report) {
  const auto plain = [](std::string_view query) {
    core::Demand demand = demand_of(query, v1::CHEAPEST);
    demand.requirements.set_duration_us(0);
    return demand;
  };
  {
    // Of every eight offers four have three of the four that are asked for: each zone has each.
    Trap trap(offers, [](core::Node& node, std::uint64_t i) {
      const std::uint64_t lacks = i % 8;
      if (lacks > 3) return;
      if (lacks != 0) node.leases_kept = 10'000;
      if (lacks != 1) node.facts.set_download_mbps(10'000);
      if (lacks != 2) node.facts.set_memory_mb(512'000);
      if (lacks != 3) node.facts.set_cpu_thousandths(64'000);
    });
    Wanted wanted = anything();
    wanted.reliability = 990'000;
    wanted.download = 5'000;
    wanted.memory = 256'000;
    wanted.gpus = 1;
    const core::Demand demand =
        plain("reliability>=0.99 inet_down>=5000 cpu_ram>=256 cpu_cores>=32");
    // The columns have no cores: those who lack them are told by their memory here.
    wanted.memory = 600'000;
    trap.measure("each zone passes, no offer does", demand, wanted, seconds, report);
  }
  {
    Trap trap(offers, [](core::Node& node, std::uint64_t) {
      node.offer.device_hour = Micros(1'000);
      node.offer.disk_gb_hour = Micros(10);
    });
    core::Demand demand = plain("");
    trap.measure("all the same, a whole device", demand, anything(), seconds, report);
    demand.requirements.set_device_thousandths(500);
    trap.measure("all the same, half a device", demand, anything(), seconds, report);
    demand.requirements.set_device_thousandths(1'000);
    demand.requirements.set_disk_mb(1'000);
    trap.measure("all the same, with disk", demand, anything(), seconds, report);
    demand = plain("");
    demand.requirements.set_objective(v1::COST_TO_COMPLETE);
    trap.measure("all the same, cost to complete", demand, anything(), seconds, report);
    // All have 16.000 GB: the codes of both are the same.
    Wanted more = anything();
    more.memory = 16'001;
    trap.measure("all just below what is asked for", plain("cpu_ram>=16.001"), more, seconds,
                 report);
  }
  {
    Trap trap(offers, [](core::Node& node, std::uint64_t) {
      node.offer.device_hour = Micros(1'000);
      node.offer.duration_max = hours(1);
    });
    core::Demand demand = plain("");
    demand.requirements.set_duration_us(hours(1).value + 1);
    Wanted longer = anything();
    longer.memory = 600'000;  // the columns have no durations
    trap.measure("all for a microsecond too short", demand, longer, seconds, report);
  }
  {
    // Half for nothing, half at the most that is accepted; what is wanted is in none.
    Trap trap(offers, [](core::Node& node, std::uint64_t i) {
      node.offer.device_hour = Micros(i % 2 == 0 ? 0 : 1'000'000'000'000);
    });
    Wanted nothing = anything();
    trap.measure("prices at both ends", plain(""), nothing, seconds, report);
    nothing.regions = 0;
    trap.measure("prices at both ends, none fits", plain("node in [0,999999999]"), nothing, seconds,
                 report);
  }
}

}  // namespace fallow::bench
