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

// Takes a record over when it is the next one and can be true, and charges for it; else nothing
// happens. A lease that has used its time up becomes STOPPING.
void accept_meter(Step& step, Lease& lease, const v1::MeterRecord& record);

// The time that the renter was charged for, refunds apart.
Duration charged_time(const Lease& lease);
// Why a lease whose time is used up stops: TIME_LIMIT, or FUNDS when the budget cut its hold.
v1::EndReason limit_reason(const MarketState& state, const Lease& lease);

// Gives all of the charge back, from the provider, or from the market's fees as far as they go.
// Says how much of the provider's earnings is left.
Micros refund_from_provider(Step& step, Lease& lease);
Micros refund_from_market(Step& step, Lease& lease);

}  // namespace fallow::core
