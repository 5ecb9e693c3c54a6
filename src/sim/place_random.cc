#include "sim/place_random.h"

namespace fallow::sim {

NodeScore RandomPolicy::score(const NodeState& node, std::uint32_t pod_class) {
  const PodClass& c = list_.classes[pod_class];
  NodeScore result{static_cast<double>(random_.next_u63() >> 10), 0};
  if (!c.shared()) return result;
  std::uint32_t fitting = 0;
  for (int device = 0; device < node.devices; ++device) {
    if (node.free_of(device) < c.device_milli) continue;
    if (random_.below(++fitting) == 0) result.device = device;
  }
  return result;
}

}  // namespace fallow::sim
