#include "core/scoring.h"

namespace fallow::core {

void Scoring::follow(const v1::Policy& policy) {
  start_cost = Duration(policy.start_cost_us());
  fragmentation_weight = policy.fragmentation_basis_points();
  survival_weight = policy.survival_basis_points();
  locality_weight = policy.locality_basis_points();
  scarcity_weight = policy.scarcity_basis_points();
  use_target = policy.use_target_basis_points();
}

const Scoring& Scoring::plain() {
  static const Scoring scoring;
  return scoring;
}

}  // namespace fallow::core
