#include "core/funds.h"

#include <algorithm>
#include <limits>

#include "base/money.h"
#include "core/calendar.h"

namespace fallow::core {
namespace {

// The present month's.
Budget budget_of_month(const MarketState& state, const Account& account) {
  const bool counts = account.month == month_of(state.now);
  return {account.month_budget, counts ? account.month_used : Micros(0)};
}

Micros left_of(const Budget& budget) {
  constexpr Micros kMost(std::numeric_limits<std::int64_t>::max());
  return std::max((budget.max.value == 0 ? kMost : budget.max) - budget.used, Micros(0));
}

struct FundsAsk {
  Micros amount;
  std::string_view what;
  std::string_view field;
};

std::optional<Refusal> check_budget(const char* whose, const Budget& budget, const FundsAsk& ask,
                                    const char* advice) {
  const Wide used_then = Wide{budget.used.value} + ask.amount.value;
  if (used_then > std::numeric_limits<std::int64_t>::max()) {
    return refusal(v1::LIMIT_REACHED, "", "the most that can be counted has been spent");
  }
  if (budget.max.value == 0 || used_then <= budget.max.value) return std::nullopt;
  return refusal(v1::OVER_BUDGET, ask.field, "{} needs {} and {} of {} {} is used: {}", ask.what,
                 format_money(ask.amount), format_money(budget.used), whose,
                 format_money(budget.max), advice);
}

}  // namespace

Micros funds_left(const MarketState& state, const Account& account, const std::string& project) {
  Micros left = std::min({state.ledger.balance({account.id, v1::WALLET}), left_of(account.total),
                          left_of(budget_of_month(state, account))});
  if (!project.empty()) left = std::min(left, left_of(account.projects.at(project)));
  return left;
}

std::optional<Refusal> check_funds(const MarketState& state, const Account& account,
                                   const std::string& project, Micros amount, std::string_view what,
                                   std::string_view field) {
  const FundsAsk ask{amount, what, field};
  if (!project.empty()) {
    const auto found = account.projects.find(project);
    if (found == account.projects.end()) {
      return refusal(v1::NOT_FOUND, "project",
                     "there is no project {}: set its budget first, or none", project);
    }
    if (auto why = check_budget("the project's", found->second, ask, "raise its budget")) {
      return why;
    }
  }
  if (auto why = check_budget("the account's", account.total, ask, "raise the budget")) return why;
  const Budget month = budget_of_month(state, account);
  if (auto why = check_budget("this month's", month, ask, "raise the budget or wait")) return why;
  const Micros wallet = state.ledger.balance({account.id, v1::WALLET});
  if (amount <= wallet) return std::nullopt;
  return refusal(v1::NO_FUNDS, field,
                 "{} holds {} and the wallet has {}: deposit {} more, or ask for less", what,
                 format_money(amount), format_money(wallet), format_money(amount - wallet));
}

void hold_funds(Step& step, Order& order, Micros amount) {
  Account& account = *step.state.accounts.find(order.account);
  const std::int32_t month = month_of(step.now);
  account.month_used = budget_of_month(step.state, account).used + amount;
  account.month = month;
  account.total.used += amount;
  if (!order.project.empty()) account.projects.at(order.project).used += amount;
  if (order.month != month) order.month_counted = Micros(0);
  order.month = month;
  order.month_counted += amount;
  order.budget += amount;
  order.held += amount;
  step.move({account.id, v1::WALLET}, {account.id, v1::HELD}, amount, v1::HOLD_PLACED, LeaseId());
}

void return_funds(Step& step, Order& order) {
  step.move({order.account, v1::HELD}, {order.account, v1::WALLET}, order.held, v1::HOLD_VOIDED,
            LeaseId());
  Account& account = *step.state.accounts.find(order.account);
  if (order.month == account.month) {
    account.month_used -= std::min(order.held, order.month_counted);
  }
  account.total.used -= order.held;
  if (!order.project.empty()) account.projects.at(order.project).used -= order.held;
  order.held = Micros(0);
}

}  // namespace fallow::core
