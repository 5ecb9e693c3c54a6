#include "sim/place_arrivals.h"

#include <numeric>

#include "base/check.h"
namespace fallow::sim {
namespace {

// Between the arrivals and the nodes' names the published simulator's ten informers draw the time
// limit of a watch each.
constexpr int kInformers = 10;

}  // namespace

Arrivals draw_arrivals(const Fleet& fleet, const PodList& list, std::int64_t seed,
                       int demand_percent) {
  FALLOW_CHECK(demand_percent > 0 && demand_percent <= 1000, "{} %", demand_percent);
  Arrivals arrivals{{}, {}, LaggedRandom(seed)};
  LaggedRandom& random = arrivals.random;
  random.next_u63();  // the published simulator logs one draw

  const auto class_of = [&](std::uint32_t pod) -> const PodClass& {
    return list.classes[list.pods[pod].pod_class];
  };
  const auto count = static_cast<std::uint32_t>(list.pods.size());
  arrivals.pods.resize(count);
  std::iota(arrivals.pods.begin(), arrivals.pods.end(), 0U);
  random.shuffle(arrivals.pods);

  std::int64_t arrived = 0;  // device thousandths, times 100 as the target is a percentage
  for (const std::uint32_t pod : arrivals.pods) arrived += 100 * class_of(pod).total_milli();
  const std::int64_t target = fleet.device_milli * demand_percent;
  if (arrived > target) {
    while (arrived > target) {
      const auto left = static_cast<std::uint32_t>(arrivals.pods.size());
      const auto drawn = arrivals.pods.begin() + random.below(left);
      arrived -= 100 * class_of(*drawn).total_milli();
      arrivals.pods.erase(drawn);
    }
  } else if (arrived < target) {
    // The published rule looks at one device of the next pod, not at all of them.
    for (;;) {
      const std::uint32_t pod = random.below(count);
      if (arrived + 100 * std::int64_t{class_of(pod).device_milli} > target) break;
      arrived += 100 * class_of(pod).total_milli();
      arrivals.pods.push_back(pod);
    }
  }
  for (int i = 0; i < kInformers; ++i) random.next_u63();
  arrivals.node_ranks = random.permutation(static_cast<std::uint32_t>(fleet.nodes.size()));
  return arrivals;
}

}  // namespace fallow::sim
