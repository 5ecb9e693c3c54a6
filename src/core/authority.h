// Who may do what. The market itself (actor 0) and operators may act for everybody; everybody else
// acts for their own account, within its scopes.
#pragma once

#include "core/step.h"

namespace fallow::core {

constexpr ScopeSet scope_bit(v1::Scope scope) {
  return ScopeSet{1} << static_cast<unsigned>(scope);
}
inline bool is_operator(const Account& account) {
  return (account.scopes & scope_bit(v1::OPERATOR)) != 0;
}

// The account that the command acts for: `target`, or the actor's own when that is 0. It must hold
// `scope` (SCOPE_UNSPECIFIED: none needed; an operator holds all). nullptr after refusing.
Account* acting_for(Step& step, AccountId target, v1::Scope scope);

// Whether the actor is the market itself or an operator; refuses otherwise.
bool require_operator(Step& step);
// Whether the actor is the market itself; refuses otherwise.
bool require_market(Step& step);

}  // namespace fallow::core
