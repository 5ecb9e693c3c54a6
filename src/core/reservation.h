// The reservation: so that big orders do not starve behind small ones.
//
// An order of more than one device (with fair turns: of at least a whole one) that finds no place
// gets a reservation, when nobody has one: the nodes it needs, and the moment at which they must be
// free at the latest, by what the leases on them may still run. Until it is placed, others take
// nothing of these nodes that it needs then, unless they surely end before (EASY backfill): even
// if they start as late as they may, which with firm turns (the policy's) counts the time that an
// image may be pulled for. There is one reservation at a time; whoever waits longest gets the next.
//
// It is made of the kReservationOffersMax best offers for the order, whether free or not: the nodes
// that are free first. When one of its nodes takes no leases any more or is no match, and when its
// moment has passed, it is made anew for the same order. Free functions; market thread only.
#pragma once

#include <optional>
#include <vector>

#include "core/placement.h"
#include "core/step.h"

namespace fallow::core {

constexpr std::size_t kReservationOffersMax = 256;

// Does the order need so much that parts which become free one by one may never do for it, and may
// it have a reservation? Not on spot, nor with a deadline: it may be of spot at any time.
bool is_big(const v1::Policy& policy, const Order& order);

bool holds_reservation(const MarketState& state, const Order& order);

// The order found no place. Gives it the reservation when nobody has it and one can be made.
void reserve_for(MarketState& state, Order& order);
// The order with this turn was matched in vain, or waits no more: when the reservation was offered
// to it, the next one is to be matched.
void pass_over(MarketState& state, const Turn& turn);
// The order was placed, or waits for something else than a place: others may have its nodes.
void give_up_reservation(MarketState& state, const Order& order);
// Other orders than before may have it: drops it when its own may not.
void follow_big_waiting(MarketState& state);
// Whether the node takes leases, or what it offers, may have changed.
void touch_reservation(MarketState& state, NodeId node);
// Drops it when it has fallen; its order is then to be matched anew. Looks at its nodes only where
// one was touched, or where its order asks for something else than before.
void check_reservation(MarketState& state);
// Do its nodes take leases, and would each do for its order if it were free?
bool nodes_stand(const MarketState& state, const Reservation& kept, const Demand& demand);

// The book's answers around the reservation: for the order, or for one that is not there yet (0).
// The demand's barred nodes are set on the way.
// `taken`: nodes that are out of the question.
std::optional<Placement> match_around(const MarketState& state, Demand& demand, OrderId order,
                                      std::span<const NodeId> taken = {});
std::vector<Placement> match_gang_around(const MarketState& state, Demand& demand, OrderId order,
                                         std::span<const NodeId> taken = {});
// Is the node kept for another order, when a lease of the demand may still run?
bool is_kept(const MarketState& state, const Demand& demand, NodeId node, OrderId order);
// By how much the order's leases may take longer before what is kept would be late.
Duration longer_beside_reservation(const MarketState& state, const Order& order);
// Would a task of the demand on the node take what the reservation needs?
bool takes_reserved(const MarketState& state, const Demand& demand, NodeId node, OrderId order);

}  // namespace fallow::core
