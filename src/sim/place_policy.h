// A placement policy: which node, and which of its devices, a pod is given.
//
// The placer filters, asks the policy for a score of each node that fits, and places the pod
// where the score is highest; at equal scores the node of the lowest rank wins. Scores are kept
// until the node changes or the policy says that they are void. One policy per run and thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "sim/lagged_random.h"
#include "sim/place_types.h"

namespace fallow::sim {

enum class PolicyKind { kRandom, kBestFit, kFgd, kFallow };
constexpr PolicyKind kPolicyKinds[] = {PolicyKind::kRandom, PolicyKind::kBestFit, PolicyKind::kFgd,
                                       PolicyKind::kFallow};
// "random", "bestfit", "fgd", "fallow".
std::string_view name_of(PolicyKind kind);
std::optional<PolicyKind> policy_named(std::string_view name);

struct NodeScore {
  double score = 0;  // higher is better
  int device = 0;    // for a shared class: where on the node
};

class PlacePolicy {
 public:
  virtual ~PlacePolicy() = default;
  // Before each decision. `free_share` is what the devices have left of all they have, `nodes`
  // what is free where. True: every score given so far is void.
  virtual bool before(double free_share, std::span<const NodeState> nodes) = 0;
  // `node` fits the class.
  virtual NodeScore score(const NodeState& node, std::uint32_t pod_class) = 0;
};

// The fleet and the list outlive the policy. A policy may know the list's mix of classes, as FGD
// does; it does not know which pods will arrive. `random` is for choices by chance.
std::unique_ptr<PlacePolicy> make_policy(PolicyKind kind, const Fleet& fleet, const PodList& list,
                                         const LaggedRandom& random);

}  // namespace fallow::sim
