#include "sim/price_table.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "sim/exact_math.h"

namespace fallow::sim {
namespace {

constexpr std::size_t kLevels = PriceTable::kLevels;
constexpr std::size_t kSingleStages = 4;
constexpr std::size_t kGangStagesMax = 16;

std::size_t cells_of(int milli) {
  return static_cast<std::size_t>((milli + PriceTable::kCellMilli - 1) / PriceTable::kCellMilli);
}

// Entries by (stage, size), and which of them each member belongs to.
std::pair<std::vector<SoftFill::Entry>, std::vector<std::size_t>> entries_of(
    const std::vector<std::pair<std::size_t, std::size_t>>& keys) {
  std::map<std::pair<std::size_t, std::size_t>, std::size_t> places;
  for (const auto& key : keys) places.emplace(key, 0);
  std::vector<SoftFill::Entry> entries;
  for (auto& [key, place] : places) {
    place = entries.size();
    entries.push_back(SoftFill::Entry{key.first, key.second});
  }
  std::vector<std::size_t> entry_of;
  entry_of.reserve(keys.size());
  for (const auto& key : keys) entry_of.push_back(places.at(key));
  return {std::move(entries), std::move(entry_of)};
}

}  // namespace

CpuStages::CpuStages(std::vector<PricedClass>& classes) {
  std::map<std::int32_t, double> single_shares;
  std::set<std::int32_t> gang_needs;
  double total = 0;
  for (const PricedClass& c : classes) {
    if (c.gang()) {
      gang_needs.insert(c.pod_class.cpu_milli);
    } else {
      single_shares[c.pod_class.cpu_milli] += c.share;
      total += c.share;
    }
  }
  std::set<std::int32_t> limits;
  double passed = 0;
  for (const auto& [need, share] : single_shares) {
    passed += share;
    const double next = total * static_cast<double>(limits.size() + 1) / kSingleStages;
    if (passed >= next || need == single_shares.rbegin()->first) limits.insert(need);
  }
  std::size_t skipped = 0;
  const std::size_t stride = (gang_needs.size() + kGangStagesMax - 1) / kGangStagesMax;
  for (const std::int32_t need : gang_needs) {
    if (++skipped % stride == 0 || need == *gang_needs.rbegin()) limits.insert(need);
  }
  limits_.assign(limits.begin(), limits.end());
  for (PricedClass& c : classes) {
    const auto at = std::lower_bound(limits_.begin(), limits_.end(), c.pod_class.cpu_milli);
    c.stage = static_cast<std::size_t>(at - limits_.begin()) + 1;
  }
}

std::size_t CpuStages::of(std::int32_t cpu_milli) const {
  return static_cast<std::size_t>(std::upper_bound(limits_.begin(), limits_.end(), cpu_milli) -
                                  limits_.begin());
}

PriceTable::PriceTable(const std::vector<PricedClass>& classes,
                       std::span<const std::size_t> members, std::size_t stages,
                       std::size_t devices_most)
    : device_(0, 0, {}) {
  std::vector<std::pair<std::size_t, std::size_t>> keys;
  std::vector<std::size_t> gangs;
  for (const std::size_t member : members) {
    const PricedClass& c = classes[member];
    if (c.gang()) {
      gangs.push_back(member);
      continue;
    }
    singles_.push_back(member);
    keys.emplace_back(c.stage, cells_of(c.pod_class.device_milli));
  }
  auto [entries, entry_of] = entries_of(keys);
  entry_of_ = std::move(entry_of);
  device_ = SoftFill(kCells, stages, std::move(entries));
  const std::size_t lumps = device_.entries().size() * kLevels;
  entry_peaks_.resize(lumps);
  entry_sums_.resize(lumps);
  entry_logs_.resize(lumps);
  weights_.resize(singles_.size() * kLevels);
  for (std::size_t stage = 0; stage <= stages; ++stage) {
    Gangs at{{}, {}, SoftFill(0, 0, {}), {}, false, false, std::vector<double>(kLevels, 0)};
    keys.clear();
    for (const std::size_t member : gangs) {
      if (classes[member].stage > stage) continue;
      at.members.push_back(member);
      keys.emplace_back(1, static_cast<std::size_t>(classes[member].pod_class.devices));
    }
    std::tie(entries, at.entry_of) = entries_of(keys);
    at.fill = SoftFill(devices_most, 1, std::move(entries));
    at.entry_logs.resize(at.fill.entries().size() * kLevels);
    gangs_.push_back(std::move(at));
  }
}

void PriceTable::build(std::span<const double> logs, Temperatures temperatures) {
  logs_ = logs;
  temperatures_ = temperatures;
  std::fill(entry_peaks_.begin(), entry_peaks_.end(), SoftFill::kNoItem);
  std::fill(entry_sums_.begin(), entry_sums_.end(), 0.0);
  for (std::size_t s = 0; s < singles_.size(); ++s) {
    double* peaks = &entry_peaks_[entry_of_[s] * kLevels];
    const double* log = &logs_[singles_[s] * kLevels];
    for (std::size_t k = 0; k < kLevels; ++k) peaks[k] = std::max(peaks[k], log[k]);
  }
  for (std::size_t s = 0; s < singles_.size(); ++s) {
    const double* peaks = &entry_peaks_[entry_of_[s] * kLevels];
    double* sums = &entry_sums_[entry_of_[s] * kLevels];
    const double* log = &logs_[singles_[s] * kLevels];
    for (std::size_t k = 0; k < kLevels; ++k) {
      const double weight = log[k] == peaks[k] ? 1 : exact_exp(log[k] - peaks[k]);
      weights_[s * kLevels + k] = weight;
      sums[k] += weight;
    }
  }
  for (std::size_t i = 0; i < entry_logs_.size(); ++i) {
    entry_logs_[i] = entry_peaks_[i] + (entry_sums_[i] == 1 ? 0 : exact_log(entry_sums_[i]));
  }
  device_.build(entry_logs_, std::array<double, kLevels>{}, temperatures_.device);
  for (Gangs& gangs : gangs_) gangs.built = false;
}

PriceTable::Gangs& PriceTable::gangs_at(std::size_t stage) {
  Gangs& gangs = gangs_[stage];
  if (gangs.built) return gangs;
  gangs.built = true;
  std::array<double, kLevels> cell_logs{};
  const SoftFill::Row alone = device_.worth(stage, kCells);
  for (std::size_t k = 0; k < kLevels; ++k) cell_logs[k] = alone[k] / temperatures_.gang;
  std::fill(gangs.entry_logs.begin(), gangs.entry_logs.end(), SoftFill::kNoItem);
  for (std::size_t g = 0; g < gangs.members.size(); ++g) {
    double* entry = &gangs.entry_logs[gangs.entry_of[g] * kLevels];
    const double* log = &logs_[gangs.members[g] * kLevels];
    for (std::size_t k = 0; k < kLevels; ++k) {
      const double most = std::max(entry[k], log[k]);
      const double least = std::min(entry[k], log[k]);
      entry[k] = most + exact_log(1 + exact_exp(least - most));
    }
  }
  gangs.fill.build(gangs.entry_logs, cell_logs, temperatures_.gang);
  return gangs;
}

void PriceTable::add_nodes(const NodeState& node, std::size_t stage, std::size_t level,
                           double count) {
  std::size_t whole = 0;
  for (int i = 0; i < node.devices; ++i) {
    const int free = node.free_of(i);
    if (free == kDeviceMilli) {
      ++whole;
    } else if (free >= kCellMilli) {
      device_.add_bins(stage, static_cast<std::size_t>(free / kCellMilli), level, count);
    }
  }
  if (whole == 0) return;
  Gangs& gangs = gangs_at(stage);
  gangs.filled = true;
  gangs.fill.add_bins(1, whole, level, count);
  gangs.whole[level] += static_cast<double>(whole) * count;
}

void PriceTable::count_supply(std::vector<PricedClass>& classes) {
  std::vector<double> counts;
  for (std::size_t stage = 0; stage < gangs_.size(); ++stage) {
    Gangs& gangs = gangs_[stage];
    if (!gangs.filled) continue;
    gangs.fill.count_items(counts);
    for (std::size_t g = 0; g < gangs.members.size(); ++g) {
      const std::size_t entry = gangs.entry_of[g] * kLevels;
      const double* log = &logs_[gangs.members[g] * kLevels];
      for (std::size_t k = 0; k < kLevels; ++k) {
        if (counts[entry + k] == 0) continue;
        classes[gangs.members[g]].supply +=
            counts[entry + k] * exact_exp(log[k] - gangs.entry_logs[entry + k]);
      }
    }
    // Whole devices that no gang takes are filled one by one.
    for (std::size_t k = 0; k < kLevels; ++k) {
      double alone = gangs.whole[k];
      for (std::size_t e = 0; e < gangs.fill.entries().size(); ++e) {
        alone -= static_cast<double>(gangs.fill.entries()[e].size) * counts[e * kLevels + k];
      }
      if (alone > 0) device_.add_bins(stage, kCells, k, alone);
      gangs.whole[k] = 0;
    }
    gangs.filled = false;
  }
  device_.count_items(counts);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (entry_sums_[i] > 0) counts[i] /= entry_sums_[i];
  }
  for (std::size_t s = 0; s < singles_.size(); ++s) {
    double supply = 0;
    for (std::size_t k = 0; k < kLevels; ++k) {
      supply += counts[entry_of_[s] * kLevels + k] * weights_[s * kLevels + k];
    }
    classes[singles_[s]].supply += supply;
  }
}

}  // namespace fallow::sim
