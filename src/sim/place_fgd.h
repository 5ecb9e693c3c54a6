// FGD, fragmentation gradient descent: where the pod adds least fragmentation. "Beware of
// Fragmentation: Scheduling GPU-Sharing Workloads with Fragmentation Gradient Descent" (USENIX
// ATC'23, section 5, Algorithm 1), with the published simulator's score: the decrease in devices,
// through a sigmoid, as a whole number from 0 to 100.
#pragma once

#include "sim/fragmentation.h"
#include "sim/place_policy.h"

namespace fallow::sim {

class FgdPolicy final : public PlacePolicy {
 public:
  explicit FgdPolicy(const PodList& list) : list_(list), fragmentation_(list) {}
  bool before(double, std::span<const NodeState>) override { return false; }
  NodeScore score(const NodeState& node, std::uint32_t pod_class) override;

 private:
  const PodList& list_;
  Fragmentation fragmentation_;
};

}  // namespace fallow::sim
