// What ranks offers beside their price and what their nodes are: how fast which device is, how
// likely the unknown node is to last, what was leased lately, and how much each counts. The
// market's own; the book and whoever ranks refer to it.
//
// Owner: MarketState, market thread only. Stays at its address; a change of speeds is told to the
// book.
#pragma once

#include "base/types.h"
#include "core/demand_mix.h"
#include "core/speed_table.h"
#include "core/survival.h"
#include "fallow/v1/types.pb.h"

namespace fallow::core {

struct Scoring {
  SpeedTable speeds;
  Survival survival;             // of nodes of which nothing is known
  DemandMix mix;                 // what was leased lately
  Duration start_cost;           // what COST_TO_COMPLETE counts a start as
  Time now;                      // of the last command
  Time expected_until;           // from then on no forecast of any class counts
  std::uint32_t use_target = 0;  // in basis points: what is expected beyond it is scarce
  // In basis points; 0: it does not count. See v1::Policy.
  std::uint32_t fragmentation_weight = 0;  // of a device's price, for each that becomes useless
  std::uint32_t survival_weight = 0;  // of a task's price, for a node that surely does not last
  std::uint32_t locality_weight = 0;  // of a task's price, for a node in another region
  std::uint32_t scarcity_weight = 0;  // of a task's price, where all is expected to be asked for

  // What the policy says of it.
  void follow(const v1::Policy& policy);

  // Of a market that has set nothing.
  static const Scoring& plain();
};

}  // namespace fallow::core
