// The inventory: nodes, their links and what of them is free.
#pragma once

#include "core/step.h"

namespace fallow::core {

// Sets capacity aside for a lease, or gives it back. The node has it (else a bug).
void reserve(Node& node, const Lease& lease);
void give_back(Node& node, const Lease& lease);
// Makes the free amounts follow from facts and use.
void refresh_free(Node& node);

// Tell book and price index: of a change of the node's offer; or of its link, owner or leases,
// which every lease's beginning and end is.
void offer_changed(MarketState& state, Node& node);
void load_changed(MarketState& state, Node& node);

// Could take a lease, as far as link, owner and offer go.
bool takes_leases(const Node& node);

// Sets the link and tells the book when it changed. Says whether it did.
// `cut`: it was none of the node's doing.
bool set_link(MarketState& state, Node& node, bool connected, bool cut = false);

// The node's link or owner has changed: counts the stretch for which it could be leased.
void follow_uptime(const MarketState& state, Node& node, bool cut);
// Not heard of: taken as not connected until it is heard again.
void fall_silent(Step& step, Node& node);
void tell_changed(Step& step, const Node& node);

// A removed node that no lease mentions any more is forgotten.
void forget_if_unused(MarketState& state, NodeId id);

}  // namespace fallow::core
