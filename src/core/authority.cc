#include "core/authority.h"

namespace fallow::core {
namespace {

// The actor's account, or nullptr after refusing. Not for the market itself.
Account* acting(Step& step) {
  Account* const actor = step.state.accounts.find(step.actor);
  if (actor == nullptr) {
    step.refuse(v1::ACCOUNT_UNKNOWN, "actor", "no account {} exists", step.actor.value);
  }
  return actor;
}

}  // namespace

Account* acting_for(Step& step, AccountId target, v1::Scope scope) {
  if (step.actor.value != 0) {
    const Account* const actor = acting(step);
    if (actor == nullptr) return nullptr;
    if (target.value == 0) target = actor->id;
    if (target != actor->id && !is_operator(*actor)) {
      step.refuse(v1::NOT_ALLOWED, "account",
                  "account {} may not act for account {}: only an operator may", actor->id.value,
                  target.value);
      return nullptr;
    }
  }
  Account* const account = step.state.accounts.find(target);
  if (account == nullptr) {
    step.refuse(v1::ACCOUNT_UNKNOWN, "account", "no account {} exists", target.value);
    return nullptr;
  }
  if (scope != v1::SCOPE_UNSPECIFIED && (account->scopes & scope_bit(scope)) == 0 &&
      !is_operator(*account)) {
    step.refuse(v1::NOT_ALLOWED, "account", "account {} is no {}: ask an operator for that scope",
                target.value, scope == v1::PROVIDER ? "provider" : "renter");
    return nullptr;
  }
  return account;
}

bool require_operator(Step& step) {
  if (step.actor.value == 0) return true;
  const Account* const actor = acting(step);
  if (actor == nullptr) return false;
  if (is_operator(*actor)) return true;
  step.refuse(v1::NOT_ALLOWED, "actor", "only an operator may do this");
  return false;
}

bool require_market(Step& step) {
  if (step.actor.value == 0) return true;
  step.refuse(v1::NOT_ALLOWED, "actor", "only the market itself may do this");
  return false;
}

}  // namespace fallow::core
