// The first command of a log, and the rules that it and SetPolicy lay down.
#include "core/authority.h"
#include "core/checks.h"
#include "core/deadlines.h"
#include "core/handlers.h"
#include "core/policy.h"
#include "core/repricing.h"
#include "core/turns.h"

namespace fallow::core {
void handle(Step& step, const v1::Found& command) {
  MarketState& state = step.state;
  if (state.founded) {
    return step.refuse(v1::NOT_ALLOWED, "", "the market is founded already");
  }
  if (!require_market(step)) return;
  if (auto why = check_name("market_name", command.market_name(), state.limits)) {
    return step.refuse(std::move(*why));
  }
  if (auto why = check_hash("market_public_key", command.market_public_key())) {
    return step.refuse(std::move(*why));
  }
  if (auto why = check_name("currency", command.currency(), state.limits)) {
    return step.refuse(std::move(*why));
  }
  if (auto why = check_policy(command.policy())) return step.refuse(std::move(*why));
  if (auto why = check_hash("operator_key_hash", command.operator_key_hash())) {
    return step.refuse(std::move(*why));
  }

  state.founded = true;
  state.found = command;
  state.policy = command.policy();
  state.scoring.follow(state.policy);
  restart_interval(state);
  const auto id = step.next_id<AccountId>();
  Account& account = state.accounts.insert(id, Account{});
  account.id = id;
  account.name = "operator";
  account.scopes = scope_bit(v1::OPERATOR);
  account.created_at = step.now;
  state.operator_account = id;
  ApiKey key;
  key.secret_hash = digest_of_checked(command.operator_key_hash());
  key.account = id;
  key.scopes = account.scopes;
  key.label = "first";
  key.created_at = step.now;
  state.key_owners.emplace(key.secret_hash, id);
  state.keys.emplace(std::pair(id, key.secret_hash), key);
  step.entity = id.value;
  step.tell().mutable_founded()->set_operator_account(id.value);
}

void handle(Step& step, const v1::SetPolicy& command) {
  if (!require_operator(step)) return;
  if (auto why = check_policy(command.policy())) return step.refuse(std::move(*why));
  step.state.policy = command.policy();
  step.state.scoring.follow(step.state.policy);
  restart_interval(step.state);
  reset_deadlines(step.state);
  big_waiting_anew(step.state);
  all_waiting_anew(step.state);  // what made them wait may be a rule of before
  step.tell().mutable_policy_set();
}

}  // namespace fallow::core
