#include "sim/market_rules.h"

#include <algorithm>

#include "base/check.h"

namespace fallow::sim {

std::string_view name_of(MarketPolicy policy) {
  switch (policy) {
    case MarketPolicy::kFallow:
      return "fallow";
    case MarketPolicy::kFirstFit:
      return "first-fit";
    case MarketPolicy::kOnDemand:
      break;
  }
  return "on-demand";
}

std::optional<MarketPolicy> market_policy_named(std::string_view name) {
  for (const MarketPolicy policy : kMarketPolicies) {
    if (name == name_of(policy)) return policy;
  }
  return std::nullopt;
}

std::size_t place_of(v1::Tier tier) {
  const auto at = std::find(kMarketTiers.begin(), kMarketTiers.end(), tier);
  FALLOW_CHECK(at != kMarketTiers.end(), "{} is no tier", static_cast<int>(tier));
  return static_cast<std::size_t>(at - kMarketTiers.begin());
}

std::string_view market_tier_name(v1::Tier tier) {
  constexpr std::array<std::string_view, kMarketTierCount> kNames = {"reserved", "on_demand",
                                                                     "spot"};
  return kNames[place_of(tier)];
}

Status check_rules(const MarketRules& rules) {
  if (rules.spot_pct <= 100 && rules.reserved_pct <= 100 - rules.spot_pct) return {};
  return fail(ErrorCode::kInvalid,
              "{} % of the jobs on spot and {} % reserved are more than all: give at most 100 "
              "together; the rest is on demand",
              rules.spot_pct, rules.reserved_pct);
}

}  // namespace fallow::sim
