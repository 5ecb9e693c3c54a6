#include "sim/fragmentation.h"

#include <algorithm>
#include <array>
#include <tuple>

namespace fallow::sim {

std::vector<TypicalClass> typical_classes(const PodList& list) {
  std::vector<std::int64_t> counts(list.classes.size(), 0);
  for (const Pod& pod : list.pods) ++counts[pod.pod_class];
  std::vector<std::uint32_t> order;
  for (std::uint32_t i = 0; i < counts.size(); ++i) {
    if (counts[i] > 0) order.push_back(i);
  }
  const auto key = [&](std::uint32_t i) {
    const PodClass& c = list.classes[i];
    return std::tuple(counts[i], c.cpu_milli, c.device_milli, c.devices,
                      std::string_view(c.models_text));
  };
  std::sort(order.begin(), order.end(),
            [&](std::uint32_t a, std::uint32_t b) { return key(a) > key(b); });
  const auto total = static_cast<double>(list.pods.size());
  std::vector<TypicalClass> typical;
  double covered = 0;
  for (const std::uint32_t i : order) {
    if (covered >= 95 * total / 100) break;
    const auto count = static_cast<double>(counts[i]);
    covered += count;
    typical.push_back(TypicalClass{i, count / total});
  }
  for (TypicalClass& entry : typical) entry.share /= covered / total;
  return typical;
}

Fragmentation::Fragmentation(const PodList& list) {
  for (const TypicalClass& entry : typical_classes(list)) {
    targets_.push_back(Target{list.classes[entry.pod_class], entry.share});
  }
}

double Fragmentation::of(const NodeState& node) const {
  const int total = node.free_total();
  if (total == 0) return 0;
  // Summed by the reason, as the published simulator does, so that rounding is the same as there.
  enum Reason { kLacksBoth, kLacksDevices, kLacksCpu, kCpuOnly, kCpuOnlyLacksCpu, kNoModel };
  std::array<double, 6> lost{};
  for (const Target& target : targets_) {
    const PodClass& c = target.pod_class;
    const bool cpu = node.cpu_milli >= c.cpu_milli;
    if (c.devices == 0) {
      lost[cpu ? kCpuOnly : kCpuOnlyLacksCpu] += target.share * total;
    } else if (((c.models >> node.model) & 1) == 0) {
      lost[kNoModel] += target.share * total;
    } else if (!node.offers_devices(c)) {
      lost[cpu ? kLacksDevices : kLacksBoth] += target.share * total;
    } else if (!cpu) {
      lost[kLacksCpu] += target.share * total;
    } else {
      int useless = 0;
      for (int device = 0; device < node.devices; ++device) {
        const int free = node.free_of(device);
        if (free < c.device_milli) useless += free;
      }
      lost[kLacksDevices] += target.share * useless;
    }
  }
  double sum = 0;
  for (const double part : lost) sum += part;
  return sum;
}

}  // namespace fallow::sim
