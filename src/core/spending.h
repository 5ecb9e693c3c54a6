// What an account spent lately: whole days (UTC) of what ended leases
// came to, less refunds. It decides how much of
// the market's fee a renter is let off.
#pragma once

#include "core/account.h"
#include "fallow/v1/types.pb.h"

namespace fallow::core {

// Today and the 29 days before.
constexpr std::int32_t kSpendingDays = 30;

// Counts an amount, negative when it came back, into the day of `now`. Days too old to count go.
void spend(Account& account, Time now, Micros amount);
// The sum over the days that count, at least 0.
Micros spent_lately(const Account& account, Time now);

// Basis points of the market's fee that such a renter is let off.
std::uint32_t volume_basis_points(const v1::Policy& policy, Micros spent);

}  // namespace fallow::core
