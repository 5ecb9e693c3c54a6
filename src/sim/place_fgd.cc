#include "sim/place_fgd.h"

#include <cmath>

#include "sim/exact_math.h"

namespace fallow::sim {
namespace {

// Placing what leaves the fragments as they are scores 50; rounding errors of the sums show in
// exactly this case, so the order of operations is the published simulator's.
double rounded(double decrease_milli) {
  const double sigmoid = 1.0 / (1.0 + exact_exp(-decrease_milli / kDeviceMilli));
  return std::trunc(sigmoid * 100);
}

}  // namespace

NodeScore FgdPolicy::score(const NodeState& node, std::uint32_t pod_class) {
  const PodClass& c = list_.classes[pod_class];
  const double before = fragmentation_.of(node);
  if (!c.shared()) {
    return NodeScore{rounded(before - fragmentation_.of(node.with(c, 0))), 0};
  }
  NodeScore best{-1, 0};
  for (int device = 0; device < node.devices; ++device) {
    if (node.free_of(device) < c.device_milli) continue;
    const double score = rounded(before - fragmentation_.of(node.with(c, device)));
    if (score > best.score) best = NodeScore{score, device};
  }
  return best;
}

}  // namespace fallow::sim
