// The month of a moment, UTC: what monthly budgets count by. Pure.
#pragma once

#include <cstdint>

#include "base/types.h"

namespace fallow::core {

// Months since January 1970, proleptic Gregorian. `at` is not before 1970.
std::int32_t month_of(Time at);

}  // namespace fallow::core
