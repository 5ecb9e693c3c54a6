// Prices that move: the end of an index's interval, and the offers that follow it.
//
// Closing an interval moves every index at once; the offers that leave their price to the market
// follow in the order of their nodes, so many a command, the rest in the next Tick, which is due at
// once. A price is never raised when that would break a quote: see offers.h.
#pragma once

#include <optional>

#include "core/step.h"

namespace fallow::core {

// The moment at which the running interval ends; none when the policy keeps no index, or there is
// nothing to keep one of.
std::optional<Time> interval_end(const MarketState& state);
// After the policy was laid down: intervals end at multiples of their length.
void restart_interval(MarketState& state);
// Puts a node that joined, told its facts or was removed into its class. The first node of all
// begins an interval: there was nothing to keep an index of before.
void place_in_class(MarketState& state, Node& node);

// Offers are still to follow.
bool repricing_pending(const MarketState& state);
// Ends the interval when its moment has come, and reprices as many offers as a command may.
void reprice(Step& step);

// What an offer within [floor, ceiling] asks for on this node when its class stands where it does;
// `asked` where the class has no index yet.
Micros price_within(const Node& node, Micros floor, Micros ceiling, Micros asked);

// Whether the policy keeps an index.
bool keeps_index(const v1::Policy& policy);

}  // namespace fallow::core
