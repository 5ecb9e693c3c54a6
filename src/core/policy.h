// The market's rules as values. Pure.
#pragma once

#include <optional>

#include "core/refusal.h"
#include "fallow/v1/types.pb.h"

namespace fallow::core {

// The rules of a market whose operator laid down none.
v1::Policy default_policy();

// Every span from its least to a year, the fee at most all, at least one attempt, volume discounts
// in order.
std::optional<Refusal> check_policy(const v1::Policy& policy);

}  // namespace fallow::core
