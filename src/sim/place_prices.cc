#include "sim/place_prices.h"

#include <algorithm>
#include <tuple>

#include "base/check.h"
#include "sim/exact_math.h"

namespace fallow::sim {
namespace {

// How much worth, in device thousandths, makes a filling e times as likely: the grain of a cell,
// below which sizes are not told apart either.
constexpr double kTemperature = PriceTable::kCellMilli;
// Gangs are several devices large: their worths are told apart more coarsely.
constexpr double kGangWarmth = 8;
// The first solution starts this many times warmer and cools down, so that far prices are reached
// in few rounds.
constexpr double kWarmStart = 6;
constexpr int kFirstRounds = 60;
constexpr int kLaterRounds = 2;
// Prices stay within these multiples of the devices asked for: a class that the fleet cannot hold
// at all would else drive its price without end.
constexpr double kPriceLeast = 1.0 / 16;
constexpr double kPriceMost = 3;
constexpr double kPriceGain = 0.5;
constexpr double kHostGain = 0.05;
// CPU and memory alone earn no device time: at their reference prices all of either that a pod of
// the mix asks for is worth a hundredth of its devices.
constexpr double kHostShare = 0.01;

double limited_log_ratio(double demand, double supply, double most) {
  if (demand <= 0) return -most;
  return std::clamp(exact_log(demand / std::max(supply, 1e-9)), -most, most);
}

std::vector<PricedClass> priced(const std::vector<ExpectedClass>& mix) {
  std::vector<PricedClass> classes;
  for (const ExpectedClass& expected : mix) {
    const PodClass& c = expected.pod_class;
    if (c.devices == 0 || expected.share <= 0) continue;
    PricedClass priced;
    priced.pod_class = c;
    priced.host_units = {static_cast<double>(c.cpu_milli), expected.memory_mib};
    priced.share = expected.share;
    priced.price = static_cast<double>(c.total_milli());
    classes.push_back(std::move(priced));
  }
  return classes;
}

}  // namespace

PlacePrices::PlacePrices(const Fleet& fleet, const std::vector<ExpectedClass>& mix)
    : classes_(priced(mix)), stages_(classes_), logs_(classes_.size() * kLevels) {
  std::array<double, kHosts> units_per_pod{};
  for (const PricedClass& c : classes_) {
    milli_per_pod_ += c.share * c.price;
    for (std::size_t h = 0; h < kHosts; ++h) {
      const double units = c.host_units[h];
      units_per_pod[h] += c.share * units;
      if (units > 0) hosts_[h].price_max = std::max(hosts_[h].price_max, c.price / units);
    }
  }
  FALLOW_CHECK(milli_per_pod_ > 0, "no class of the mix asks for a device");
  for (const ExpectedClass& expected : mix) {
    if (expected.pod_class.devices > 0) continue;
    hosts_[0].by_others_per_pod += expected.share * expected.pod_class.cpu_milli;
    hosts_[1].by_others_per_pod += expected.share * expected.memory_mib;
  }
  for (std::size_t h = 0; h < kHosts; ++h) {
    Host& host = hosts_[h];
    host.reference = kHostShare * milli_per_pod_ / std::max(units_per_pod[h], 1.0);
    host.price_max = std::max(host.price_max, 10 * host.reference);
    host.price = host.reference;
  }
  add_tables(fleet);
}

void PlacePrices::add_tables(const Fleet& fleet) {
  std::size_t devices_most = 0;
  for (const NodeState& node : fleet.nodes) {
    devices_most = std::max<std::size_t>(devices_most, node.devices);
  }
  std::vector<std::vector<std::size_t>> seen;
  for (std::size_t model = 0; model < fleet.models.size(); ++model) {
    std::vector<std::size_t> members;
    for (std::size_t i = 0; i < classes_.size(); ++i) {
      const PodClass& c = classes_[i].pod_class;
      const bool allowed = ((c.models >> model) & 1) != 0;
      if (allowed && static_cast<std::size_t>(c.devices) <= devices_most) members.push_back(i);
    }
    const auto known = std::find(seen.begin(), seen.end(), members);
    table_of_.push_back(static_cast<std::size_t>(known - seen.begin()));
    if (known != seen.end()) continue;
    seen.push_back(members);
    tables_.emplace_back(classes_, members, stages_.count(), devices_most);
  }
}

double PlacePrices::worth(const NodeState& node) {
  Levels by_level;
  worths(node, by_level);
  // Side by side, as one minimum after the other would wait for each.
  constexpr std::size_t kLanes = 4;
  static_assert(kLevels % kLanes == 0);
  std::array<double, kLanes> least;
  std::copy_n(by_level.begin(), kLanes, least.begin());
  for (std::size_t k = kLanes; k < kLevels; k += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      least[lane] = std::min(least[lane], by_level[k + lane]);
    }
  }
  return *std::min_element(least.begin(), least.end());
}

void PlacePrices::worths(const NodeState& node, Levels& by_level) {
  PriceTable& table = tables_[table_of_[node.model]];
  const std::size_t stage = stages_.of(node.cpu_milli);
  for (std::size_t k = 0; k < kLevels; ++k) {
    by_level[k] = hosts_[0].levels[k] * node.cpu_milli + hosts_[1].levels[k] * node.memory_mib;
  }
  std::size_t whole = 0;
  for (int i = 0; i < node.devices; ++i) {
    const int free = node.free_of(i);
    whole += free == kDeviceMilli ? 1U : 0U;
    if (free == kDeviceMilli || free < PriceTable::kCellMilli) continue;
    const SoftFill::Row part = table.device_worth(stage, free);
    for (std::size_t k = 0; k < kLevels; ++k) by_level[k] += part[k];
  }
  if (whole == 0) return;
  const SoftFill::Row wholes = table.whole_worth(stage, whole);
  for (std::size_t k = 0; k < kLevels; ++k) by_level[k] += wholes[k];
}

std::vector<PlacePrices::Likeness> PlacePrices::alike(std::span<const NodeState> nodes) const {
  std::vector<NodeState> states(nodes.begin(), nodes.end());
  for (NodeState& node : states) {
    std::sort(node.free_milli.begin(), node.free_milli.begin() + node.devices);
  }
  const auto key = [](const NodeState& n) {
    return std::tie(n.model, n.devices, n.cpu_milli, n.memory_mib, n.free_milli);
  };
  std::sort(states.begin(), states.end(),
            [&](const NodeState& a, const NodeState& b) { return key(a) < key(b); });
  std::vector<Likeness> likenesses;
  for (const NodeState& node : states) {
    if (likenesses.empty() || key(likenesses.back().node) != key(node)) {
      likenesses.push_back(Likeness{node, 0});
    }
    likenesses.back().count += 1;
  }
  return likenesses;
}

void PlacePrices::solve(std::span<const NodeState> nodes) {
  double free = 0;
  for (const NodeState& node : nodes) free += node.free_total();
  const double pods = free / milli_per_pod_;
  const std::vector<Likeness> likenesses = alike(nodes);
  const int rounds = solved_ ? kLaterRounds : kFirstRounds;
  for (int round = 0; round < rounds; ++round) {
    double temperature = kTemperature;
    if (!solved_) {
      const double cooled = std::min(1.0, 2.0 * round / rounds);
      temperature *= exact_exp(exact_log(kWarmStart) * (1 - cooled));
    }
    build(temperature);
    count_supply(likenesses);
    adjust(pods, temperature);
  }
  solved_ = true;
  build(kTemperature);
}

void PlacePrices::build(double temperature) {
  // One after the other, a node's CPUs and its memory cost more, the other as little as anywhere.
  for (std::size_t h = 0; h < kHosts; ++h) {
    Host& host = hosts_[h];
    host.levels.fill(host.price);
    const double ratio =
        exact_exp(exact_log(host.price_max / host.price) / static_cast<double>(kHostLevels - 1));
    for (std::size_t k = h * kHostLevels + 1; k < (h + 1) * kHostLevels; ++k) {
      host.levels[k] = host.levels[k - 1] * ratio;
    }
  }
  const double gang_temperature = kGangWarmth * temperature;
  for (std::size_t i = 0; i < classes_.size(); ++i) {
    const PricedClass& c = classes_[i];
    const double grain = c.gang() ? gang_temperature : temperature;
    for (std::size_t k = 0; k < kLevels; ++k) {
      const double cost =
          hosts_[0].levels[k] * c.host_units[0] + hosts_[1].levels[k] * c.host_units[1];
      logs_[i * kLevels + k] = (c.price - cost) / grain;
    }
  }
  for (PriceTable& table : tables_) {
    table.build(logs_, PriceTable::Temperatures{temperature, gang_temperature});
  }
}

void PlacePrices::count_supply(std::span<const Likeness> nodes) {
  for (PricedClass& c : classes_) c.supply = 0;
  for (Host& host : hosts_) host.spare = 0;
  for (const Likeness& likeness : nodes) spread(likeness);
  for (PriceTable& table : tables_) table.count_supply(classes_);
}

// A node stands between the two levels at which what is short there would just be used up.
void PlacePrices::spread(const Likeness& nodes) {
  const NodeState& node = nodes.node;
  Levels by_level;
  worths(node, by_level);
  const auto best = static_cast<std::size_t>(std::min_element(by_level.begin(), by_level.end()) -
                                             by_level.begin());
  // What would be left over if the price were between two levels; rising with the price.
  const auto spare = [&](std::size_t h, std::size_t k) {
    const Levels& levels = hosts_[h].levels;
    return (by_level[k + 1] - by_level[k]) / (levels[k + 1] - levels[k]);
  };
  const std::size_t scarce = best / kHostLevels;
  const std::size_t first = scarce * kHostLevels;
  for (std::size_t h = 0; h < kHosts; ++h) {
    if (h == scarce && best != first) continue;
    hosts_[h].spare += nodes.count * std::max(spare(h, h * kHostLevels), 0.0);
  }
  std::size_t low = best;
  double upper_part = 0;  // of the nodes counted at low + 1
  if (best != first && best + 1 != first + kHostLevels) {
    const double before = spare(scarce, best - 1);
    const double after = spare(scarce, best);
    const double at = after > before ? std::clamp(-before / (after - before), 0.0, 1.0) : 0.5;
    low = at < 0.5 ? best - 1 : best;
    upper_part = at < 0.5 ? 0.5 + at : at - 0.5;
  }
  PriceTable& table = tables_[table_of_[node.model]];
  const std::size_t stage = stages_.of(node.cpu_milli);
  table.add_nodes(node, stage, low, nodes.count * (1 - upper_part));
  if (upper_part > 0) table.add_nodes(node, stage, low + 1, nodes.count * upper_part);
}

void PlacePrices::adjust(double pods, double temperature) {
  for (PricedClass& c : classes_) {
    const auto face = static_cast<double>(c.pod_class.total_milli());
    const double grain = c.gang() ? kGangWarmth * temperature : temperature;
    const double short_by = limited_log_ratio(pods * c.share, c.supply, 3);
    c.price += kPriceGain * grain * (short_by - exact_log(c.price / face));
    c.price = std::clamp(c.price, kPriceLeast * face, kPriceMost * face);
  }
  for (Host& host : hosts_) {
    const double short_by = limited_log_ratio(pods * host.by_others_per_pod, host.spare, 2);
    host.price *= exact_exp(kHostGain * (short_by - exact_log(host.price / host.reference)));
    host.price = std::clamp(host.price, host.reference / 100, host.price_max / 10);
  }
}

}  // namespace fallow::sim
