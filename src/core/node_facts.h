// What a node says of itself: checked, and merged into what is leased of it.
#pragma once

#include <optional>

#include "core/limits.h"
#include "core/node.h"
#include "core/refusal.h"

namespace fallow::core {

// Device indexes are 0, 1, 2 ... in this order; texts and counts are within the limits.
std::optional<Refusal> check_facts(const v1::NodeFacts& facts, const Limits& limits);

// Takes the facts over. A device that is leased keeps its place and, unless it is the same device
// by uuid, its facts: a running lease never changes under the renter. Places that the new facts no
// longer have stay while a leased device stands at or behind them. What the market knows of a
// device's proofs stays for as long as the node says the same of it. Where it says another thing of
// any device, a proof that runs is over: what comes of it would be of the devices that were there.
void merge_facts(Node& node, const v1::NodeFacts& facts);

}  // namespace fallow::core
