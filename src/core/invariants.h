// What must always hold of the market.
#pragma once

#include "base/result.h"
#include "core/market_state.h"

namespace fallow::core {

// kCorrupt with the first thing that does not hold. Walks over everything. The values of single
// things are in range: they came from commands or passed check_things().
Status verify(const MarketState& state);

}  // namespace fallow::core
