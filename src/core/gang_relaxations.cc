// What would make a gang match that does not.
#include <algorithm>

#include "core/relaxation.h"

namespace fallow::core {
namespace {

Micros dearest_of(const std::vector<Placement>& placements) {
  Micros dearest;
  for (const Placement& placement : placements) dearest = std::max(dearest, placement.rate_hour);
  return dearest;
}

}  // namespace

std::vector<v1::Relaxation> gang_relaxations(const Book& book, const Demand& demand) {
  const std::uint32_t nodes = nodes_of(demand.requirements);
  Demand cheapest = demand;
  cheapest.requirements.set_objective(v1::CHEAPEST);
  cheapest.by_price = true;
  cheapest.avoid = {};
  std::vector<v1::Relaxation> answers;
  const auto add = [&](Change change, std::int64_t number, const std::vector<Placement>& found) {
    answers.push_back(relaxation_of(change, demand.requirements, number, dearest_of(found)));
  };
  const std::vector<Placement> now = book.list(cheapest, true, nodes);
  if (now.size() >= nodes) return answers;  // it matches
  if (!now.empty()) add(Change::kNodes, static_cast<std::int64_t>(now.size()), now);

  Demand changed = cheapest;
  changed.requirements.set_price_per_hour_micros_max(0);
  changed.rate_hour_max = Micros(0);
  if (const auto found = book.list(changed, true, nodes); found.size() == nodes) {
    add(Change::kPrice, dearest_of(found).value, found);
  }
  changed = cheapest;
  for (std::uint32_t gpus = gpus_of(demand.requirements) - 1; gpus > 0; --gpus) {
    changed.requirements.set_gpus(gpus);
    const auto found = book.list(changed, true, nodes);
    if (found.size() < nodes) continue;
    add(Change::kGpus, gpus, found);
    break;
  }
  const auto later = book.list(cheapest, false, nodes);
  if (later.size() == nodes) {
    add(Change::kWait, static_cast<std::int64_t>(nodes - now.size()), later);
  }
  std::stable_sort(answers.begin(), answers.end(),
                   [](const v1::Relaxation& a, const v1::Relaxation& b) {
                     return a.task_hour_micros() < b.task_hour_micros();
                   });
  return answers;
}

}  // namespace fallow::core
