// Accounts: opening them, and their budgets.
#include "core/authority.h"
#include "core/checks.h"
#include "core/handlers.h"
#include "core/scopes.h"

namespace fallow::core {

void handle(Step& step, const v1::OpenAccount& command) {
  MarketState& state = step.state;
  if (!require_operator(step)) return;
  if (auto why = check_name("name", command.name(), state.limits)) {
    return step.refuse(std::move(*why));
  }
  const std::optional<ScopeSet> scopes = scopes_of(command.scopes());
  if (!scopes) {
    return step.refuse(v1::VALUE_INVALID, "scopes",
                       "an account needs at least one scope of renter, provider, operator");
  }
  if (state.accounts.size() >= state.limits.accounts_max) {
    return step.refuse(v1::LIMIT_REACHED, "", "the market has its most accounts, {}",
                       state.limits.accounts_max);
  }
  const auto id = step.next_id<AccountId>();
  Account& account = state.accounts.insert(id, Account{});
  account.id = id;
  account.name = command.name();
  account.scopes = *scopes;
  account.created_at = step.now;
  step.entity = id.value;
  step.tell().mutable_account_opened()->set_account(id.value);
}

void handle(Step& step, const v1::SetBudget& command) {
  if (auto why =
          check_money("month_micros_max", command.month_micros_max(), true, step.state.limits)) {
    return step.refuse(std::move(*why));
  }
  Account* const account = acting_for(step, AccountId(command.account()), v1::RENTER);
  if (account == nullptr) return;
  account->month_budget = Micros(command.month_micros_max());
  step.entity = account->id.value;
  step.tell().mutable_budget_set()->set_account(account->id.value);
}

void handle(Step& step, const v1::SetProject& command) {
  const Limits& limits = step.state.limits;
  if (auto why = check_money("total_micros_max", command.total_micros_max(), true, limits)) {
    return step.refuse(std::move(*why));
  }
  const bool whole = command.project().empty();
  if (!whole) {
    if (auto why = check_name("project", command.project(), limits)) {
      return step.refuse(std::move(*why));
    }
  }
  Account* const account = acting_for(step, AccountId(command.account()), v1::RENTER);
  if (account == nullptr) return;
  if (!whole && !account->projects.contains(command.project()) &&
      account->projects.size() >= limits.projects_per_account_max) {
    return step.refuse(v1::LIMIT_REACHED, "project", "account {} has its most projects, {}",
                       account->id.value, limits.projects_per_account_max);
  }
  Budget& budget = whole ? account->total : account->projects[command.project()];
  budget.max = Micros(command.total_micros_max());
  step.entity = account->id.value;
  v1::BudgetSet& told = *step.tell().mutable_budget_set();
  told.set_account(account->id.value);
  told.set_project(command.project());
}

}  // namespace fallow::core
