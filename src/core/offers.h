// Offers: one a node, the same price for each of its devices.
#pragma once

#include "core/step.h"

namespace fallow::core {

// Takes the node's offer away, if it has one, and tells so. Leases go on. The book is not told.
void clear_offer(Step& step, Node& node);

}  // namespace fallow::core
