// The tier spot: one price a class and interval, and who makes room for whom.
//
// An offer may take spot leases at a floor of its own. A spot order bids what an hour of a task may
// cost; what is left of that for a whole device, after disk, is its bid per device on a node. At
// the end of each interval of the price indexes every class (model and region) gets one clearing
// price:
//
//   price = highest losing bid of the interval; 0 when none lost
//
// and each of its spot leases pays clamp(price, floor of its offer, own bid) until the next. A bid
// loses when a task was turned away in the interval although it would fit if everything were free,
// and nothing in its class runs on a lower bid. A class without spot leases has no price: floors
// hold.
//
// Room is made by preempting spot leases: for a higher bid, the lowest bids first; for on_demand
// and reserved, those that lose least work. Free functions; market thread only.
#pragma once

#include <vector>

#include "core/step.h"

namespace fallow::core {

// The tier's rules, when the policy has intervals at all.
bool offers_spot(const v1::Policy& policy);

// The least that a device of the offer goes for: never above its price.
Micros spot_floor(const Offer& offer);
// What the bid of the requirements leaves for a whole device and hour, where disk costs so much;
// negative when disk alone costs more.
Micros spot_bid(const v1::Requirements& requirements, Micros disk_gb_hour);

// The best offers that would take a task of the demand if everything were free, at their floors.
std::vector<Placement> spot_places(const MarketState& state, const Demand& asked,
                                   std::size_t count_max);

// A new lease of a spot order: its bid, floor and first price. The node is set.
void begin_spot(MarketState& state, Lease& lease, const Order& order);
// It stops or ends: no price of others depends on it any more.
void leave_spot(MarketState& state, const Lease& lease);
// All of the node's spot leases that nothing stops count in its price class, or no more: before and
// behind a change of the class.
void enter_spot_class(MarketState& state, const Node& node);
void leave_spot_class(MarketState& state, const Node& node);
// What an hour of it costs at the moment.
Micros spot_rate(const MarketState& state, const Lease& lease);
// The charged time has grown: what is new is of the price of the moment.
void extend_runs(const MarketState& state, Lease& lease);
// Of all runs, rounded down; before any limit.
Micros cost_of_runs(const Lease& lease);
// Made anew of the runs that a snapshot held. False when they cannot be.
bool restore_runs(Lease& lease);

// The end of an interval: every class with spot leases or losing bids gets its price and is told;
// what waits is to be matched anew.
void close_spot_interval(Step& step);

// A task or a gang of the order found no place. Preempts what must make room for it, if anything
// may; a spot task that outbids nothing counts among the losing bids.
void make_room(Step& step, Order& order, const Task& task);

// How many spot leases are looked at to make room for one task; those with the lowest bids.
constexpr std::size_t kVictimsTestedMax = 256;
// Of the lowest bids so many are looked at to find those nodes. With fair turns so many of the
// models that the query names come before, so that cheaper ones do not hide them.
constexpr std::size_t kPlacesLookedAtMax = 4'096;
// Of one node so many leases may be asked to leave at once.
constexpr std::size_t kVictimsOfNodeMax = 64;

}  // namespace fallow::core
