// The market laboratory's demand: what the owner of a job asks the market for, by his policy, the
// job's tier and how near its deadline is. Owner: run_market; one thread.
#pragma once

#include <cstdint>
#include <string>

#include "base/types.h"
#include "core/machine.h"
#include "fallow/v1/commands.pb.h"
#include "sim/market_fleet.h"
#include "sim/market_plan.h"
#include "sim/market_rules.h"

namespace fallow::sim {

constexpr Duration kYear = hours(24 * 366);

// How long so much work of the reference card takes at a speed, rounded up to a millisecond of it.
Duration time_on(Duration reference, std::int64_t speed);
Time deadline_of(const Job& job, const MarketRules& rules);

class MarketAsks {
 public:
  MarketAsks(const MarketRules& rules, const MarketFleet& fleet);

  // The order for what is left of the piece, without its account. A bid goes by what the market
  // quotes on demand at the moment.
  v1::SubmitOrder order(const Job& job, const Piece& piece, Time now,
                        const core::Machine& machine) const;

 private:
  Duration restart() const;
  bool wants_verified(const Job& job, const Piece& piece, Time now) const;

  const MarketRules rules_;
  const std::int64_t slowest_;     // of the fleet
  const std::int64_t fast_;        // what who names a time asks for: the reference card's, or less
  const std::string fast_models_;  // as a predicate
};

}  // namespace fallow::sim
