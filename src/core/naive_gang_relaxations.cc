// What would make a gang match, as plainly as it can be written: every changed demand is tried, and
// the smallest change that finds nodes enough is kept.
#include <algorithm>
#include <cstdlib>
#include <tuple>

#include "core/gang_relaxations.h"
#include "core/naive_book.h"
#include "core/term.h"

namespace fallow::core {
namespace {

// As the node itself, or the first of its devices of that name, spells the word.
std::string spelled(const Node& node, Field field, const std::string& word) {
  if (!is_of_device(field)) return std::string(word_of(node, field));
  for (const NodeDevice& device : node.devices) {
    const std::string_view own = word_of(device.facts, field);
    if (canonical_word(own) == canonical_word(word)) return std::string(own);
  }
  return word;
}

}  // namespace

void NaiveBook::relax_gang_predicates(const Demand& cheapest,
                                      std::vector<v1::Relaxation>& out) const {
  const std::size_t nodes = cheapest.requirements.nodes();
  const std::vector<Placement> now = list(cheapest, true, nodes_.size());
  const std::vector<Predicate>& predicates = cheapest.query.predicates();
  for (std::size_t i = 0; i < predicates.size(); ++i) {
    if (!is_named_for_gangs(cheapest.query, i)) continue;
    const Predicate& predicate = predicates[i];
    const bool is_words = is_word(predicate.field);
    using Rating =
        std::tuple<std::int64_t, Micros, std::int64_t, NodeId, std::int64_t, std::string>;
    std::optional<Rating> best;
    for (const auto& [number, word] : values_of(cheapest, predicate)) {
      if (is_words ? predicate.holds(word) : predicate.holds(number)) continue;
      std::vector<Placement> found = list(widened(cheapest, i, number, word), true, nodes_.size());
      if (found.size() < nodes) continue;
      std::erase_if(found, [&](const Placement& placement) {
        return std::any_of(now.begin(), now.end(), [&](const Placement& matching) {
          return matching.node == placement.node;
        });
      });
      const Placement& last = found[nodes - now.size() - 1];
      const Rating rating{is_words ? 0 : distance_to(predicate, number),
                          last.rate_hour,
                          -std::int64_t{reliability_ppm(*last.node)},
                          last.node->id,
                          number,
                          is_words ? spelled(*last.node, predicate.field, word) : ""};
      if (!best || rating < *best) best = rating;
    }
    if (!best) continue;
    const GangChange change{Change::kPredicate, i, std::get<4>(*best), std::get<5>(*best)};
    out.push_back(relaxation_of(cheapest, change, match_gang(changed(cheapest, change))));
  }
}

void NaiveBook::relax_gang_requirements(const Demand& cheapest,
                                        std::vector<v1::Relaxation>& out) const {
  const v1::Requirements& asked = cheapest.requirements;
  const std::size_t nodes = asked.nodes();
  const auto tell = [&](Change change, std::int64_t number) {
    const GangChange told{change, 0, number, {}};
    out.push_back(relaxation_of(cheapest, told, match_gang(changed(cheapest, told))));
  };
  const std::size_t matching = list(cheapest, true, nodes).size();
  if (matching > 0) tell(Change::kNodes, static_cast<std::int64_t>(matching));

  Demand unlimited = cheapest;
  unlimited.rate_hour_max = Micros(0);
  unlimited.requirements.set_price_per_hour_micros_max(0);
  const std::vector<Placement> dearer = list(unlimited, true, nodes);
  if (dearer.size() == nodes) tell(Change::kPrice, dearest_of(dearer).value);

  // The nearest value with which there are nodes enough; of two the lower.
  const auto try_values = [&](Change change, std::int64_t wanted,
                              const std::set<std::int64_t>& values) {
    std::vector<std::pair<std::int64_t, std::int64_t>> nearest;
    for (const std::int64_t value : values) nearest.emplace_back(std::abs(wanted - value), value);
    std::sort(nearest.begin(), nearest.end());
    for (const auto& [distance, value] : nearest) {
      if (distance == 0) continue;
      if (list(changed(cheapest, {change, 0, value, {}}), true, nodes).size() < nodes) continue;
      return tell(change, value);
    }
  };
  const auto up_to = [](std::int64_t below) {
    std::set<std::int64_t> values;
    for (std::int64_t value = 1; value < below; ++value) values.insert(value);
    return values;
  };
  const std::int64_t gpus = gpus_of(asked);
  try_values(Change::kGpus, gpus, up_to(gpus));
  try_values(Change::kShare, share_of(asked), up_to(kWholeDevice + 1));
  // Only what some node has can be the most that matches, and of disk what a limit pays for.
  std::set<std::int64_t> durations, memories, cpus, isolations;
  const auto add_below = [](std::set<std::int64_t>& values, std::int64_t value,
                            std::int64_t bound) {
    if (value > 0 && value < bound) values.insert(value);
  };
  for (const auto& [id, node] : nodes_) {
    const Duration longest = node->offer.duration_max;
    if (is_named_for_gangs(asked, longest)) {
      add_below(durations, longest.value, asked.duration_us());
    }
    add_below(memories, node->memory_mb_free, asked.memory_mb());
    add_below(cpus, node->cpu_thousandths_free, asked.cpu_thousandths());
    add_below(isolations, node->facts.isolation(), asked.isolation_min());
  }
  try_values(Change::kDuration, asked.duration_us(), durations);
  try_values(Change::kMemory, asked.memory_mb(), memories);
  try_values(Change::kCpu, asked.cpu_thousandths(), cpus);
  try_values(Change::kDisk, asked.disk_mb(), up_to(asked.disk_mb()));
  try_values(Change::kIsolation, asked.isolation_min(), isolations);
  if (asked.network() != v1::NETWORK_NONE) {
    try_values(Change::kNetwork, asked.network(), {v1::NETWORK_NONE});
  }
  const std::vector<Placement> later = list(cheapest, false, nodes);
  if (later.size() < nodes) return;
  const GangChange wait{Change::kWait, 0, static_cast<std::int64_t>(nodes - matching), {}};
  out.push_back(relaxation_of(cheapest, wait, later));
}

std::vector<v1::Relaxation> NaiveBook::gang_relaxations(const Demand& demand) const {
  Demand cheapest = demand;
  cheapest.requirements.set_objective(v1::CHEAPEST);
  cheapest.by_price = true;
  cheapest.avoid = {};
  cheapest.barred = {};
  const std::size_t nodes = cheapest.requirements.nodes();
  std::vector<v1::Relaxation> answers;
  if (list(cheapest, true, nodes).size() == nodes) return answers;
  relax_gang_predicates(cheapest, answers);
  relax_gang_requirements(cheapest, answers);
  order_relaxations(answers);
  return answers;
}

}  // namespace fallow::core
