#include "sim/placer.h"

#include <time.h>

#include <limits>
#include <string>
#include <vector>

#include "base/check.h"
#include "sim/lab_commands.h"

namespace fallow::sim {
namespace {

double percent(double part, double whole, double of_none) {
  return whole > 0 ? 100 * part / whole : of_none;
}

struct Totals {
  std::int64_t arrived = 0;  // device thousandths
  std::int64_t used = 0;
  double decisions = 0;
  double accepted = 0;
  double cpu_only_asked = 0;
  double cpu_only_accepted = 0;
};

LoadFigures figures_of(const Totals& totals, double devices, double fragments) {
  const auto used = static_cast<double>(totals.used);
  LoadFigures figures;
  figures.allocation_pct = percent(used, devices, 0);
  figures.fragmented_pct = percent(fragments, devices, 0);
  figures.fragmented_idle_pct = percent(fragments, devices - used, 0);
  figures.accepted_pct = percent(totals.accepted, totals.decisions, 100);
  figures.cpu_only_pct = percent(totals.cpu_only_accepted, totals.cpu_only_asked, 100);
  return figures;
}

void add(LoadFigures& sum, const LoadFigures& figures) {
  sum.allocation_pct += figures.allocation_pct;
  sum.fragmented_pct += figures.fragmented_pct;
  sum.fragmented_idle_pct += figures.fragmented_idle_pct;
  sum.accepted_pct += figures.accepted_pct;
  sum.cpu_only_pct += figures.cpu_only_pct;
}

LoadFigures divided(const LoadFigures& sum, double count) {
  return LoadFigures{sum.allocation_pct / count, sum.fragmented_pct / count,
                     sum.fragmented_idle_pct / count, sum.accepted_pct / count,
                     sum.cpu_only_pct / count};
}

// The figures at each load, from those after single decisions.
class LoadMeans {
 public:
  // After a decision; `take` finds the figures, and is called only when they are wanted.
  template <class Take>
  void see(std::int64_t arrived_pct, const Take& take) {
    for (; passed_ < kLoads && load_of(passed_) < arrived_pct; ++passed_) {
      if (counts_[passed_] == 0) sample(passed_, take());
    }
    if (passed_ < kLoads && load_of(passed_) == arrived_pct) sample(passed_, take());
  }
  // Loads that the demand never reached show the last state.
  template <class Take>
  std::array<LoadFigures, kLoads> finish(const Take& take) {
    for (std::size_t i = 0; i < kLoads; ++i) {
      if (counts_[i] == 0) sample(i, take());
      sums_[i] = divided(sums_[i], counts_[i]);
    }
    return sums_;
  }

 private:
  static std::int64_t load_of(std::size_t i) {
    return static_cast<std::int64_t>(i + 1) * kLoadStep;
  }
  void sample(std::size_t i, const LoadFigures& figures) {
    add(sums_[i], figures);
    counts_[i] += 1;
  }

  std::array<LoadFigures, kLoads> sums_{};
  std::array<double, kLoads> counts_{};
  std::size_t passed_ = 0;
};

class Placer {
 public:
  Placer(const Fleet& fleet, const PodList& list, const Arrivals& arrivals, PlacePolicy& policy)
      : list_(list), policy_(policy), slots_(fleet.nodes.size()), nodes_(fleet.nodes.size()) {
    for (std::size_t i = 0; i < fleet.nodes.size(); ++i) {
      slots_[arrivals.node_ranks[i]] = static_cast<std::uint32_t>(i);
    }
    for (std::size_t slot = 0; slot < slots_.size(); ++slot) {
      nodes_[slot] = fleet.nodes[slots_[slot]];
    }
    changed_.assign(nodes_.size(), 0);
    known_.resize(list.classes.size());
  }

  struct Placement {
    std::uint32_t node = 0;  // by the fleet's index
    std::uint32_t device = 0;
  };
  // None: it fits nowhere and is dropped.
  std::optional<Placement> place(const Pod& pod, double free_share) {
    ++now_;
    if (policy_.before(free_share, nodes_)) void_before_ = now_;
    const PodClass& c = list_.classes[pod.pod_class];
    std::vector<Known>& known = known_[pod.pod_class];
    if (known.empty()) known.resize(nodes_.size());
    std::size_t best = nodes_.size();
    double best_score = kNone;
    for (std::size_t slot = 0; slot < nodes_.size(); ++slot) {
      Known& entry = known[slot];
      if (entry.since <= changed_[slot] || entry.since < void_before_) renew(entry, slot, pod, c);
      // Slots are in the order of ranks: the first of equals stays.
      if (entry.score > best_score && nodes_[slot].memory_mib >= pod.memory_mib) {
        best_score = entry.score;
        best = slot;
      }
    }
    if (best == nodes_.size()) return std::nullopt;
    const int device = known[best].device;
    nodes_[best] = nodes_[best].with(c, device);
    nodes_[best].memory_mib -= pod.memory_mib;
    changed_[best] = now_;
    return Placement{slots_[best], static_cast<std::uint32_t>(device)};
  }

  // Fragments of the whole fleet. Only nodes that changed since the last call are looked at.
  double fragments(const Fragmentation& fragmentation) {
    fragments_.resize(nodes_.size());
    for (std::size_t slot = 0; slot < nodes_.size(); ++slot) {
      if (changed_[slot] < counted_) continue;
      const double now = fragmentation.of(nodes_[slot]);
      fragments_sum_ += now - fragments_[slot];
      fragments_[slot] = now;
    }
    counted_ = now_ + 1;
    return fragments_sum_;
  }

 private:
  static constexpr double kNone = -std::numeric_limits<double>::infinity();
  struct Known {
    double score = kNone;
    std::uint32_t since = 0;  // the decision it was found in
    std::int32_t device = 0;
  };

  void renew(Known& entry, std::size_t slot, const Pod& pod, const PodClass& c) {
    entry.since = now_;
    entry.score = kNone;
    if (!nodes_[slot].fits(c)) return;
    const NodeScore found = policy_.score(nodes_[slot], pod.pod_class);
    entry.score = found.score;
    entry.device = found.device;
  }

  const PodList& list_;
  PlacePolicy& policy_;
  std::vector<std::uint32_t> slots_;  // slot -> the fleet's index
  std::vector<NodeState> nodes_;      // by slot
  std::vector<std::uint32_t> changed_;
  std::vector<std::vector<Known>> known_;  // [class][slot]
  std::vector<double> fragments_;          // by slot, when last counted
  double fragments_sum_ = 0;
  std::uint32_t counted_ = 0;  // decisions before this one are in fragments_
  std::uint32_t now_ = 0;
  std::uint32_t void_before_ = 0;
};

}  // namespace

PlaceRun run_placement(const Fleet& fleet, const PodList& list, const Fragmentation& fragmentation,
                       PolicyKind kind, std::int64_t seed) {
  const Arrivals arrivals = draw_arrivals(fleet, list, seed, kLoadMax);
  PlaceRun run;
  run.seed = seed;
  const double start = thread_seconds();
  const auto policy = make_policy(kind, fleet, list, arrivals.random);
  Placer placer(fleet, list, arrivals, *policy);
  Digester digester;
  for (const std::string& name : fleet.names) digester.update(name).update("\n");

  const auto devices = static_cast<double>(fleet.device_milli);
  Totals totals;
  double aside = 0;  // seconds spent on figures, which are no decisions
  LoadMeans means;
  const auto figures = [&] {
    const double begin = thread_seconds();
    const LoadFigures found = figures_of(totals, devices, placer.fragments(fragmentation));
    aside += thread_seconds() - begin;
    return found;
  };
  for (const std::uint32_t index : arrivals.pods) {
    const Pod& pod = list.pods[index];
    const PodClass& c = list.classes[pod.pod_class];
    const double free = devices - static_cast<double>(totals.used);
    const auto placed = placer.place(pod, free / devices);
    ++run.decisions;
    totals.arrived += c.total_milli();
    totals.decisions += 1;
    if (c.devices == 0) totals.cpu_only_asked += c.cpu_milli;
    if (placed) {
      totals.used += c.total_milli();
      totals.accepted += 1;
      if (c.devices == 0) totals.cpu_only_accepted += c.cpu_milli;
      digester.update_u64(index).update_u64(placed->node).update_u64(placed->device);
    } else {
      digester.update_u64(index).update_u64(~std::uint64_t{0});
    }
    means.see((totals.arrived * 200 + fleet.device_milli) / (fleet.device_milli * 2), figures);
  }
  run.loads = means.finish(figures);
  run.seconds = thread_seconds() - start - aside;
  run.digest = digester.finish();
  return run;
}

}  // namespace fallow::sim
