#include "sim/place_policy.h"

#include "base/check.h"
#include "sim/place_bestfit.h"
#include "sim/place_fallow.h"
#include "sim/place_fgd.h"
#include "sim/place_random.h"

namespace fallow::sim {

std::string_view name_of(PolicyKind kind) {
  switch (kind) {
    case PolicyKind::kRandom:
      return "random";
    case PolicyKind::kBestFit:
      return "bestfit";
    case PolicyKind::kFgd:
      return "fgd";
    case PolicyKind::kFallow:
      return "fallow";
  }
  FALLOW_CHECK(false, "policy {}", static_cast<int>(kind));
}

std::optional<PolicyKind> policy_named(std::string_view name) {
  for (const PolicyKind kind : kPolicyKinds) {
    if (name == name_of(kind)) return kind;
  }
  return std::nullopt;
}

std::unique_ptr<PlacePolicy> make_policy(PolicyKind kind, const Fleet& fleet, const PodList& list,
                                         const LaggedRandom& random) {
  switch (kind) {
    case PolicyKind::kRandom:
      return std::make_unique<RandomPolicy>(list, random);
    case PolicyKind::kBestFit:
      return std::make_unique<BestFitPolicy>(list);
    case PolicyKind::kFgd:
      return std::make_unique<FgdPolicy>(list);
    case PolicyKind::kFallow:
      return std::make_unique<FallowPolicy>(fleet, list);
  }
  FALLOW_CHECK(false, "policy {}", static_cast<int>(kind));
}

}  // namespace fallow::sim
