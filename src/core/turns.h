// Who waits, and in which turn: how orders come among the waiting and leave them, and which of them
// are to be matched anew. What is done with them is core/schedule.h's.
//
// Free functions; market thread only.
#pragma once

#include "core/market_state.h"

namespace fallow::core {

// A task of the order began to wait, or its money came back: it is to be matched anew.
void wait_for_match(MarketState& state, Order& order);
// No task of the order waits any more.
void leave_waiting(MarketState& state, Order& order);
// The order's tasks may take longer now: it asks the book for that, and is to be matched anew.
void ask_longer(MarketState& state, Order& order);
// The same of an order that a snapshot had waiting.
void restore_waiting(MarketState& state, const Order& order);
// The node may now take what it could not before.
void node_gained(MarketState& state, const Node& node);
// The policy has changed which orders may have the reservation.
void big_waiting_anew(MarketState& state);
// Every waiting order is to be matched anew.
void all_waiting_anew(MarketState& state);

// For core/schedule.cc and core/matching.cc. The order waits.
bool is_dirty(const MarketState& state, const Order& order);
void set_dirty(MarketState& state, const Order& order);
// The order had this turn and was matched in vain; one with a deadline may have changed its tier
// meanwhile.
void set_clean(MarketState& state, const Turn& turn, const Order& order);
// The order was served: it gets the turn behind the later of its account's last and the one served
// last, and is not dirty.
void move_back(MarketState& state, Order& order);
// The order, which has a deadline, asks for the other tier from now on.
void change_tier(MarketState& state, Order& order, bool spot);

}  // namespace fallow::core
