// What follows from the rest of the state: made anew after a restore.
#pragma once

#include "base/result.h"
#include "core/market_state.h"

namespace fallow::core {

// The values of each thing are in range, and everything that one names exists. Nothing derived is
// read. kCorrupt with the thing named.
Status check_things(const MarketState& state);

// Fills everything that is marked derived, in a state that check_things() passed. kCorrupt when it
// cannot be: a device leased twice, a query that does not parse.
Status derive(MarketState& state);

}  // namespace fallow::core
