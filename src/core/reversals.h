// Deposits that their rails take back: chargebacks, direct debits that were returned. Until the
// payout delay has passed a deposit is reversible: it can be spent, but not paid out. What it was
// spent on by then is still PENDING, so that all of it can be had back: docs/market.md,
// "Deposits that are taken back".
//
// Free functions; market thread only.
#pragma once

#include "core/step.h"

namespace fallow::core {

// A deposit was booked just now. By the rule holds_deposits it is reversible for the payout delay.
void note_deposit(Step& step, AccountId account, Micros amount);
// What is due is reversible no more, limits.deadlines_per_command_max of it at most.
void release_deposits(Step& step);
// What of the account's wallet may be paid out.
Micros payable(const MarketState& state, AccountId account);

// The account's wallet has paid some of its debt. What of that was paid out of reversible deposits
// may be owed again: until the last of those is firm no earnings of its leases are released.
void note_debt_paid(MarketState& state, AccountId account);
// Until when they wait; 0: they do not.
Time earnings_wait_until(const MarketState& state, AccountId renter);

// The lease has ended and its earnings are due. What its renter owes comes out of them, and then
// out of the market's fee for it. Gives how much of the earnings is left to its provider.
Micros charge_back(Step& step, const Lease& lease, Micros earned);

}  // namespace fallow::core
