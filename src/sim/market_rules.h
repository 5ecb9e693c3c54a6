// What a run of the market laboratory is of: which offers the jobs' owners take, on which tiers,
// how large the market is. Values; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "fallow/v1/types.pb.h"

namespace fallow::sim {

// kFirstFit: the cheapest offer of the job's tier that fits, wherever. kOnDemand: the cheapest of
// verified hosts, on demand, whatever the tier. kFallow: the lowest cost to complete; a job of the
// tier spot names its deadline instead, and the market chooses the tier; verified hosts once the
// deadline policy says so.
enum class MarketPolicy { kFallow, kFirstFit, kOnDemand };
constexpr MarketPolicy kMarketPolicies[] = {MarketPolicy::kFallow, MarketPolicy::kFirstFit,
                                            MarketPolicy::kOnDemand};
// "fallow", "first-fit", "on-demand".
std::string_view name_of(MarketPolicy policy);
std::optional<MarketPolicy> market_policy_named(std::string_view name);

// In the order of the report.
constexpr std::array kMarketTiers = {v1::RESERVED, v1::ON_DEMAND, v1::SPOT};
constexpr std::size_t kMarketTierCount = kMarketTiers.size();
// Its place among them.
std::size_t place_of(v1::Tier tier);
// "reserved", "on_demand", "spot".
std::string_view market_tier_name(v1::Tier tier);

constexpr std::uint32_t kMarketNodesMax = 1'000'000;
constexpr std::uint32_t kMarketDaysMax = 366;

struct MarketRules {
  MarketPolicy policy = MarketPolicy::kFallow;
  std::uint32_t nodes = 1'000;
  std::uint32_t days = 7;
  std::uint32_t load_pct = 60;  // work that arrives, of what the fleet could do
  // Of the jobs, whatever their size; the rest is on demand. At most 100 together.
  std::uint32_t spot_pct = 40;
  std::uint32_t reserved_pct = 20;
  std::uint32_t spot_floor_pct = 32;  // of an offer's price
  std::uint32_t price_interval_minutes = 5;
  double deadline_ratio = 3;  // of a job's running time on the reference card
  std::uint32_t checkpoint_minutes = 30;
  std::uint32_t start_minutes = 2;  // from placement until work; not charged
  std::uint64_t seed = 1;
};

// kInvalid: the tiers are more than all jobs.
Status check_rules(const MarketRules& rules);

}  // namespace fallow::sim
