#include "core/naive_score.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "core/placement.h"
#include "core/price_index.h"

namespace fallow::core {
namespace {

std::int64_t lasting_ppm(const Node& node, const Demand& demand, const Scoring& scoring) {
  std::size_t span = 0;
  for (const std::int64_t hours : {1, 6, 24, 72}) {
    if (demand.requirements.duration_us() > hours * 3'600'000'000) ++span;
  }
  std::int64_t lasting = reliability_ppm(node);
  for (const Survival& survival : {scoring.survival, node.survival}) {
    const std::int64_t known = survival.codes[span] * 1'000'000LL / 255;
    if (known > 0) lasting = std::min<std::int64_t>(reliability_ppm(node), known);
  }
  return std::max<std::int64_t>(lasting, 1);
}

std::int64_t narrowed(Wide value) {
  constexpr Wide kMost = std::numeric_limits<std::int64_t>::max();
  return static_cast<std::int64_t>(std::min(value, kMost));
}

// Thousandths of devices that become of no use to what is likely to come.
std::int64_t stranded(const Demand& demand, const Scoring& scoring, const Placement& placement) {
  const std::int64_t share = share_of(demand.requirements);
  std::vector<std::uint32_t> before;
  std::vector<std::uint32_t> after;
  std::int64_t taken = 0;
  for (const NodeDevice& device : placement.node->devices) {
    before.push_back(placement.free ? device.free_thousandths : 1'000);
    after.push_back(before.back());
    const auto& chosen = placement.devices;
    if (std::find(chosen.begin(), chosen.end(), device.facts.index()) == chosen.end()) continue;
    after.back() -= static_cast<std::uint32_t>(share);
    taken += share;
  }
  const std::int64_t more = scoring.mix.fragments(after) - scoring.mix.fragments(before);
  return std::clamp<std::int64_t>(taken + more, 0, 4 * taken);
}

// An hour of the task in billionths, with what the policy weighs.
std::int64_t weighed_rate(const Demand& demand, const Scoring& scoring,
                          const Placement& placement) {
  const Wide rate = placement.rate_hour.value;
  Wide sum = rate * 1'000;
  if (demand.by_price || demand.requirements.tier() == v1::SPOT) return narrowed(sum);
  if (!scoring.mix.empty()) {
    sum += Wide{placement.device_hour.value} * stranded(demand, scoring, placement) *
           scoring.fragmentation_weight / 10'000;
  }
  if (objective_of(demand.requirements) == v1::CHEAPEST) {
    const std::int64_t doubt = 1'000'000 - lasting_ppm(*placement.node, demand, scoring);
    sum += rate * doubt * scoring.survival_weight / 10'000'000;
  }
  const std::string near = canonical_word(demand.requirements.near());
  if (!near.empty() && canonical_word(placement.node->facts.region()) != near) {
    sum += rate * 1'000 * scoring.locality_weight / 10'000;
  }
  const PriceIndex* const index = placement.node->counted.index;
  if (index != nullptr && scoring.now < index->expected_until && scoring.use_target < 10'000) {
    const std::int64_t expected = std::min<std::int64_t>(index->expected_use_basis_points, 10'000);
    const std::int64_t over = std::max<std::int64_t>(expected - scoring.use_target, 0);
    const std::int64_t scarce = over * 10'000 / (10'000 - scoring.use_target);
    sum += rate * scarce * scoring.scarcity_weight / 100'000;
  }
  return narrowed(sum);
}

}  // namespace

std::int64_t naive_first(const Demand& demand, const Scoring& scoring, const Placement& placement,
                         std::int64_t speed) {
  const v1::Objective objective = objective_of(demand.requirements);
  if (objective == v1::FASTEST) return -speed;
  const bool weighs_survival = objective == v1::CHEAPEST && scoring.survival_weight > 0;
  const bool weighed = weighs_survival || scoring.scarcity_weight > 0 ||
                       (scoring.fragmentation_weight > 0 && !scoring.mix.empty()) ||
                       (scoring.locality_weight > 0 && !demand.requirements.near().empty());
  const bool plain = demand.by_price || demand.requirements.tier() == v1::SPOT || !weighed;
  const Wide rate = plain ? placement.rate_hour.value : weighed_rate(demand, scoring, placement);
  if (objective == v1::CHEAPEST) return narrowed(rate);
  const std::int64_t lasting = lasting_ppm(*placement.node, demand, scoring);
  if (scoring.start_cost.value == 0) {
    return narrowed(rate * 1'000'000'000'000 / (Wide{speed} * lasting));
  }
  const std::int64_t asked = demand.requirements.duration_us();
  const Wide work_us = asked > 0 ? asked : 3'600'000'000;
  const Wide time_us = work_us * 1'000 / speed + scoring.start_cost.value;
  const Wide billionths = rate * time_us / (plain ? 3'600'000 : 3'600'000'000);
  return narrowed(billionths * 1'000'000 / lasting);
}

}  // namespace fallow::core
