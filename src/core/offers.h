// Offers: one a node, the same price for each of its devices.
#pragma once

#include "core/step.h"

namespace fallow::core {

// Asks another price for a node that is offered, and tells so. Quotes that stand keep the former
// one: when as many stand as an offer remembers, nothing changes and the answer is false.
[[nodiscard]] bool change_price(Step& step, Node& node, Micros device_hour, Micros disk_gb_hour);

// Takes the node's offer away, if it has one, and tells so. Leases go on. The book is not told.
void clear_offer(Step& step, Node& node);

}  // namespace fallow::core
