// What an account may hold for its orders, and holding it. Budgets nest: an order's is within its
// project's, the account's, the month's and the wallet.
//
// Free functions; market thread only.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/refusal.h"
#include "core/step.h"

namespace fallow::core {

// The most that the account could hold beside what it does. `project` is one of its, or empty.
Micros funds_left(const MarketState& state, const Account& account, const std::string& project);

// Why the account cannot hold so much beside, or nothing. `what` it is for begins the sentence,
// `field` is the command's.
std::optional<Refusal> check_funds(const MarketState& state, const Account& account,
                                   const std::string& project, Micros amount, std::string_view what,
                                   std::string_view field);

// From the wallet into the order's budget, and counted. check_funds() has passed.
void hold_funds(Step& step, Order& order, Micros amount);

// The order is over: what it still holds goes back, and counts no more.
void return_funds(Step& step, Order& order);

}  // namespace fallow::core
