// Money of accounts that no lease moves: deposits, payouts, earnings after their delay.
#pragma once

#include <string_view>

#include "core/step.h"

namespace fallow::core {

// What a deposit is known by.
ShortHash reference_hash(std::string_view reference);

// Earnings of an ended lease: PENDING now, EARNED after the policy's delay.
void delay_earnings(Step& step, const Lease& lease, Micros amount);
// Makes what is due EARNED, limits.deadlines_per_command_max of it at most.
void release_earnings(Step& step);

}  // namespace fallow::core
