#include "sim/place_fallow.h"

#include <algorithm>
#include <optional>

#include "base/check.h"

namespace fallow::sim {
namespace {

// Prices are solved anew whenever a fifth of what was free then is used.
constexpr double kSolveStep = 0.8;

std::vector<ExpectedClass> expected_mix(const PodList& list) {
  std::vector<ExpectedClass> mix;
  for (const PodClass& c : list.classes) mix.push_back(ExpectedClass{c, 0, 0});
  for (const Pod& pod : list.pods) {
    mix[pod.pod_class].share += 1;
    mix[pod.pod_class].memory_mib += pod.memory_mib;
  }
  for (ExpectedClass& expected : mix) {
    expected.memory_mib /= std::max(expected.share, 1.0);
    expected.share /= static_cast<double>(list.pods.size());
  }
  return mix;
}

}  // namespace

FallowPolicy::FallowPolicy(const Fleet& fleet, const PodList& list)
    : FallowPolicy(fleet, list, expected_mix(list)) {}

FallowPolicy::FallowPolicy(const Fleet& fleet, const PodList& list,
                           const std::vector<ExpectedClass>& mix)
    : list_(list), prices_(fleet, mix) {
  for (const ExpectedClass& expected : mix) {
    memory_mib_.push_back(static_cast<std::int32_t>(expected.memory_mib));
  }
}

bool FallowPolicy::before(double free_share, std::span<const NodeState> nodes) {
  if (free_share > solved_at_ * kSolveStep) return false;
  solved_at_ = free_share;
  prices_.solve(nodes);
  return true;
}

NodeScore FallowPolicy::score(const NodeState& node, std::uint32_t pod_class) {
  const PodClass& c = list_.classes[pod_class];
  const double before = prices_.worth(node);
  const auto placed = [&](int device) {
    NodeState after = node.with(c, device);
    after.memory_mib = std::max(after.memory_mib - memory_mib_[pod_class], 0);
    return NodeScore{prices_.worth(after) - before, device};
  };
  if (!c.shared()) return placed(0);
  std::optional<NodeScore> best;
  for (int device = 0; device < node.devices; ++device) {
    if (node.free_of(device) < c.device_milli) continue;
    const NodeScore found = placed(device);
    if (!best || found.score > best->score) best = found;
  }
  FALLOW_CHECK(best.has_value(), "the class does not fit");
  return *best;
}

}  // namespace fallow::sim
