// BestFit: the node that has least left over, CPU and devices weighing the same; the fullest
// device that fits. The baseline of "Beware of Fragmentation" (USENIX ATC'23, section 6.2) after
// Protean (OSDI'20), with the published simulator's scale: a whole score from 0 to 100 between an
// empty machine and the largest (128 CPUs, 8 devices).
#pragma once

#include "sim/place_policy.h"

namespace fallow::sim {

class BestFitPolicy final : public PlacePolicy {
 public:
  explicit BestFitPolicy(const PodList& list) : list_(list) {}
  bool before(double, std::span<const NodeState>) override { return false; }
  NodeScore score(const NodeState& node, std::uint32_t pod_class) override;

 private:
  const PodList& list_;
};

}  // namespace fallow::sim
