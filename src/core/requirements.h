// Requirements as the market understands them.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "core/book.h"
#include "core/limits.h"
#include "core/refusal.h"

namespace fallow::core {

// Every default written out: tier ON_DEMAND, objective CHEAPEST, workload class GENERAL, one GPU,
// the whole of it, bubblewrap at least. Two requests that mean the same become equal.
v1::Requirements understood(const v1::Requirements& requirements);

// Requirements that were understood(), checked and with their query parsed; or why not.
tl::expected<Demand, Refusal> demand_of(const v1::Requirements& requirements, const Limits& limits);

bool same(const v1::Requirements& a, const v1::Requirements& b);

}  // namespace fallow::core
