#include "sim/place_bestfit.h"

#include <cmath>

namespace fallow::sim {
namespace {

constexpr double kLargestCpuMilli = 128'000;
constexpr double kLargestDeviceMilli = 8'000;

}  // namespace

NodeScore BestFitPolicy::score(const NodeState& node, std::uint32_t pod_class) {
  const PodClass& c = list_.classes[pod_class];
  const double cpu_left = node.cpu_milli - c.cpu_milli;
  const double devices_left = node.free_total() - static_cast<double>(c.total_milli());
  const double left = cpu_left / kLargestCpuMilli * 0.5 + devices_left / kLargestDeviceMilli * 0.5;
  NodeScore result{std::trunc((1.0 - left) * 100), 0};
  if (!c.shared()) return result;
  int least = kDeviceMilli + 1;
  for (int device = 0; device < node.devices; ++device) {
    const int free = node.free_of(device);
    if (free < c.device_milli || free >= least) continue;
    least = free;
    result.device = device;
  }
  return result;
}

}  // namespace fallow::sim
