// What an order's waiting tasks wait for, in terms that a person can act upon.
//
// Asks the book, changes nothing. Free function; market thread only.
#pragma once

#include <optional>

#include "base/types.h"
#include "fallow/v1/types.pb.h"

namespace fallow::core {

struct MarketState;
struct Order;

struct WaitsFor {
  v1::WaitReason reason = v1::WAITS_FOR_NODE;
  Micros rate_hour_max;   // WAITS_FOR_PRICE: that a task may cost
  Micros rate_hour_free;  // WAITS_FOR_PRICE: of the cheapest match that is free
  Time retry_at;          // WAITS_TO_RETRY: the first
};

// None: no task waits. About one match.
std::optional<WaitsFor> waits_for(const MarketState& state, const Order& order);

}  // namespace fallow::core
