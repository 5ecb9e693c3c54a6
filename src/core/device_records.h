// What nodes have broken stays with their devices: a node that joins with a device whose last node
// has a worse record than it takes that over, so a new key or account buys no new name. A device is
// known by its driver's UUID; of a node that lies about it nothing is remembered.
//
// Free functions; market thread only.
#pragma once

#include <string>
#include <vector>

#include "core/market_state.h"

namespace fallow::core {

// The node's record has changed. By the rule keeps_device_records its devices stand for it, once it
// has broken a lease.
void note_record(MarketState& state, const Node& node);
// The UUIDs of the node's devices.
std::vector<std::string> names_of_devices(const Node& node);
// The node has said what devices it has, of which it `had` some before: it takes the worst record
// over that a new one had at another node, if that is worse than its own. Nobody who takes the name
// of a card spoils the node that has it. Before the book is told of the node.
void inherit_record(MarketState& state, Node& node, const std::vector<std::string>& had);

}  // namespace fallow::core
