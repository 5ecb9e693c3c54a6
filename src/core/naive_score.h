// What a placement ranks by, as plainly as it can be written: the rules of docs/market.md once
// more, for the naive book.
//
// Pure functions.
#pragma once

#include <cstdint>

#include "core/book.h"

namespace fallow::core {

// What the demand's objective ranks by first; less is better. `speed`: of the slowest device.
std::int64_t naive_first(const Demand& demand, const Scoring& scoring, const Placement& placement,
                         std::int64_t speed);

}  // namespace fallow::core
