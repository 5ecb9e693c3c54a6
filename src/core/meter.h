// Money under a lease: charges by its meter, refunds at its end.
#pragma once

#include "core/step.h"

namespace fallow::core {

// No span of the market is longer.
constexpr Duration kTimeUnbounded{std::int64_t{1} << 61};

// The longest running time that `hold` pays for at `rate_hour` (> 0).
Duration time_for(Micros hold, Micros rate_hour);

// The market's part of a charge: rounded down, of the cumulative charge, so that it never drifts.
Micros fee_of(Micros charged, std::uint32_t basis_points);

// The most running time that can be true of the lease by now: the time since it was placed, and
// what a node's clock may gain on the market's; by the rule bounds_meters also `unseen`,
// and less what its node said it did not run.
Duration running_max(const MarketState& state, const Lease& lease, Time now);
// A report names the lease in this state; the one before did at `former`. Counts how long it surely
// did not run: from one such word to the next that still said so. A word may be on its way for a
// while, but no longer than close_after: then its node had stopped it.
void follow_idle(Lease& lease, v1::LeaseState state, Time former, Duration close_after, Time now);

// The most running time that the lease can have proven by the moment at which its node hears that
// it is to stop: what it has proven, the time since the last word of it, and the meter interval
// that a record may be due; and where the market came up again since its last record, the time for
// which its node let it run on unheard.
Duration proven_max_at_stop(const MarketState& state, const Lease& lease, Time now);

// The server comes up again: counts what may have passed since the lease's last word, in no clock.
// Its node let nothing run for longer than close_after.
void count_unseen(Lease& lease, Duration close_after, Time now);

// Takes a record over when it is the next one and can be true, and charges for it; else nothing
// happens: its node keeps it, and sends it again. A lease that has used its time up becomes
// STOPPING. One that is STOPPING takes what it ran before its node heard so: never a part of a
// record, for what is proven is what the last one says.
void accept_meter(Step& step, Lease& lease, const v1::MeterRecord& record);

// What a reserved lease that ends for this reason is charged by instead of its rate: that of the
// bracket which the task's time really reached, when the renter ended the term early and it is
// dearer. 0: its rate holds.
//
// The hold covers it: a hold is the price of the whole term at the discounted rate, and whatever
// the rate, no charge passes the hold. So less time never costs more than the whole term.
Micros rerated_hour(const Order& order, const Lease& lease, v1::EndReason reason);
// Charges the difference of a lease that ends.
void rerate(Step& step, Lease& lease, v1::EndReason reason);
// What follows from the lease's rate, its time and what it sent. Every part only ever grows with
// both.
struct Bill {
  // min(hold, floor(rate * time / 1 h)), or of a spot lease the sum over its runs; and what it sent
  // at its price. What is held for that is kept apart from what is held for the time.
  Micros gross;
  Micros let_off;  // floor(fee of gross * volume basis points): out of the market's fee
  Micros charged;  // gross - let_off: what the renter pays
  Micros fee;      // of it, the market's: fee of gross - let_off
};
Bill bill_of(const Lease& lease);
// The same if it had sent nothing.
Bill bill_of_time(const Lease& lease);

// The time that the renter was charged for, refunds apart.
Duration charged_time(const Lease& lease);
// Why a lease whose time is used up stops: TIME_LIMIT, or FUNDS when the budget cut its hold.
v1::EndReason limit_reason(const MarketState& state, const Lease& lease);

// Counts what came back to the order: once for a lease, when it ends.
void take_back(Step& step, Lease& lease, Micros amount);
// Gives all of the charge back, from the provider, or from the market's fees as far as they go.
// Says how much of the provider's earnings is left.
Micros refund_from_provider(Step& step, Lease& lease);
Micros refund_from_market(Step& step, Lease& lease);

}  // namespace fallow::core
