// Random: any node that fits, any of its devices that fits; whole devices are the first free.
// The weakest baseline of "Beware of Fragmentation" (USENIX ATC'23, section 6.2).
#pragma once

#include "sim/place_policy.h"

namespace fallow::sim {

class RandomPolicy final : public PlacePolicy {
 public:
  // The published runs draw from the same generator, but over nodes in the order in which their
  // threads found them: choice by choice they cannot be repeated.
  RandomPolicy(const PodList& list, const LaggedRandom& random) : list_(list), random_(random) {}
  bool before(double, std::span<const NodeState>) override { return true; }
  NodeScore score(const NodeState& node, std::uint32_t pod_class) override;

 private:
  const PodList& list_;
  LaggedRandom random_;
};

}  // namespace fallow::sim
