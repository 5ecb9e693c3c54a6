// The place of an order among those with waiting tasks: see core/schedule.h.
//
// A value.
#pragma once

#include <compare>
#include <cstdint>

#include "base/types.h"

namespace fallow::core {

struct Turn {
  std::uint64_t turn = 0;
  OrderId order;
  auto operator<=>(const Turn&) const = default;
};

// The next that there can be.
inline Turn behind(const Turn& turn) { return {turn.turn, OrderId(turn.order.value + 1)}; }

}  // namespace fallow::core
