// What a renter is credited for a device that was slower than it should have been. docs/market.md
// has the rule with an example; client/receipt.cc recomputes it.
#pragma once

#include "core/step.h"

namespace fallow::core {

// What the devices of a lease lack of the speed by which they were last PROVEN, in basis points and
// the mean of them: only of those whose last proof was SLOW; others lack nothing that is known.
std::uint32_t slow_basis_points(const Node& node, const std::vector<std::uint32_t>& devices);

// Of the proven time, what full speed would not have needed: by the node's own records, or by what
// the devices lacked of their verified speed when the lease was placed, if that is more.
Duration slowed_time(const Lease& lease);

// ceil(charged * slowed / proven), at most floor(charged * credit_basis_points_max / 10,000) and at
// most the provider's part of the charge: of what the time alone was charged, for a slow device
// sends what it sends.
Micros credit_of(const Lease& lease);

// Of a lease that ends and refunds nothing: gives its credit back from what the provider has
// pending of it, and tells it. Says how much of the provider's earnings is left.
Micros credit_slowed(Step& step, Lease& lease);

}  // namespace fallow::core
