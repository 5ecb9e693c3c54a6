// The market's placement: the pod goes where the node, and with it the fleet, stays worth most to
// the demand to come, at prices that match that demand with what is free (sim/place_prices.h).
//
// FGD ("Beware of Fragmentation", USENIX ATC'23) looks one pod ahead and counts what that pod could
// not use; this asks what a node still earns when it is filled up. It knows what FGD knows: the
// typical classes of the list and how popular they are.
#pragma once

#include "sim/place_policy.h"
#include "sim/place_prices.h"

namespace fallow::sim {

class FallowPolicy final : public PlacePolicy {
 public:
  FallowPolicy(const Fleet& fleet, const PodList& list);
  bool before(double free_share, std::span<const NodeState> nodes) override;
  NodeScore score(const NodeState& node, std::uint32_t pod_class) override;

 private:
  FallowPolicy(const Fleet& fleet, const PodList& list, const std::vector<ExpectedClass>& mix);

  const PodList& list_;
  std::vector<std::int32_t> memory_mib_;  // by class, on average
  PlacePrices prices_;
  double solved_at_ = 2;  // the share of free devices at the last solution; above 1: none yet
};

}  // namespace fallow::sim
