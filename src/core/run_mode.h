// Orders with a deadline: whether their tasks ask for spot or for on_demand at the moment.
//
// Such an order is one on demand, priced and held as such, that may run on spot while its deadline
// is safe: it then bids what a task of it may cost on demand. Whenever a task is to be placed
// core/deadline_policy.h chooses, by what the order itself has seen of spot since it was accepted
// and, where the policy says so, by what is expected of the classes in which it could run; what
// runs is left where it is. Free functions; market thread only.
#pragma once

#include "core/step.h"

namespace fallow::core {

inline bool has_deadline(const Order& order) { return order.deadline.us > 0; }

// Is the order's demand of spot?
inline bool is_spot(const Order& order) { return order.demand.requirements.tier() == v1::SPOT; }

// Of the best offers so many are looked at for what is expected of their classes.
constexpr std::size_t kOutlookOffersMax = 16;

// Makes the order's demand one of spot or of on_demand. The order has a deadline and is not among
// the waiting.
void ask_for(Order& order, bool spot);

// Why no such deadline can be kept; times of the order's requirements and the command.
std::optional<Refusal> check_deadline(const v1::SubmitOrder& command,
                                      const v1::Requirements& requirements, const Limits& limits);

// The waiting task would find a place on spot now at this rate, or finds none (null): what it
// should ask for. The order remembers what it saw.
v1::Tier choose_tier(MarketState& state, Order& order, const Task& task, const Micros* spot_hour);
// The same while it may have no place on spot: that says nothing of whether spot is there.
v1::Tier choose_tier_in_cool_down(const MarketState& state, const Order& order, const Task& task);
// It would find a place on spot, but not yet: is its deadline safe on_demand when it begins to run
// an interval from now?
bool can_wait_for_spot(const MarketState& state, const Order& order, const Task& task);

}  // namespace fallow::core
