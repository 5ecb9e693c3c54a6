// API keys and join tokens: only hashes of their secrets are known here.
#include "core/authority.h"
#include "core/checks.h"
#include "core/handlers.h"
#include "core/scopes.h"

namespace fallow::core {
namespace {

bool has_expired(const ApiKey& key, Time now) {
  return key.expires_at.us != 0 && key.expires_at <= now;
}

std::string key_id_of(const Digest& secret_hash) { return to_hex(secret_hash).substr(0, 16); }

// Whether the account may have another key: at its maximum those that have expired go, of which
// nobody has any more use.
bool make_key_room(MarketState& state, AccountId account, Time now) {
  const auto begin = state.keys.lower_bound(std::pair(account, Digest{}));
  std::size_t standing = 0;
  std::vector<Digest> expired;
  for (auto at = begin; at != state.keys.end() && at->first.first == account; ++at) {
    if (has_expired(at->second, now)) {
      expired.push_back(at->first.second);
    } else {
      ++standing;
    }
  }
  if (standing >= state.limits.keys_per_account_max) return false;
  if (standing + expired.size() < state.limits.keys_per_account_max) return true;
  for (const Digest& hash : expired) {
    state.keys.erase(std::pair(account, hash));
    state.key_owners.erase(hash);
  }
  return true;
}

}  // namespace

void handle(Step& step, const v1::AddKey& command) {
  MarketState& state = step.state;
  if (auto why = check_hash("secret_hash", command.secret_hash())) {
    return step.refuse(std::move(*why));
  }
  if (command.label().size() > state.limits.name_bytes_max) {
    return step.refuse(v1::VALUE_INVALID, "label", "the label is longer than {} bytes",
                       state.limits.name_bytes_max);
  }
  if (auto why = check_expiry("expires_at_us", command.expires_at_us(), step.now)) {
    return step.refuse(std::move(*why));
  }
  const std::optional<ScopeSet> scopes = scopes_of(command.scopes());
  if (!scopes) {
    return step.refuse(v1::VALUE_INVALID, "scopes",
                       "a key needs at least one scope of renter, provider, operator");
  }
  if (!v1::Role_IsValid(command.role())) {
    return step.refuse(v1::VALUE_INVALID, "role", "there is no such role");
  }
  const Account* const account =
      acting_for(step, AccountId(command.account()), v1::SCOPE_UNSPECIFIED);
  if (account == nullptr) return;
  if ((*scopes & ~account->scopes) != 0 && !is_operator(*account)) {
    return step.refuse(v1::NOT_ALLOWED, "scopes", "a key cannot do more than account {} may",
                       account->id.value);
  }
  const Digest hash = digest_of_checked(command.secret_hash());
  if (state.key_owners.contains(hash)) {
    return step.refuse(v1::VALUE_INVALID, "secret_hash", "this key exists already");
  }
  // Logs from before there were roles have accounts with more.
  if (command.role() != v1::ROLE_UNSPECIFIED && !make_key_room(state, account->id, step.now)) {
    return step.refuse(v1::LIMIT_REACHED, "", "account {} has its most keys, {}: revoke some",
                       account->id.value, state.limits.keys_per_account_max);
  }
  if (state.keys.size() >= state.limits.keys_max) {
    return step.refuse(v1::LIMIT_REACHED, "", "the market has its most keys, {}: revoke some",
                       state.limits.keys_max);
  }
  ApiKey key;
  key.secret_hash = hash;
  key.account = account->id;
  key.scopes = *scopes;
  key.label = command.label();
  key.expires_at = Time{command.expires_at_us()};
  key.role = command.role();
  key.created_at = step.now;
  state.key_owners.emplace(hash, account->id);
  state.keys.emplace(std::pair(account->id, hash), std::move(key));
  step.entity = account->id.value;
  v1::KeyAdded& added = *step.tell().mutable_key_added();
  added.set_account(account->id.value);
  added.set_key(key_id_of(hash));
}

void handle(Step& step, const v1::RevokeKey& command) {
  MarketState& state = step.state;
  if (auto why = check_hash("secret_hash", command.secret_hash())) {
    return step.refuse(std::move(*why));
  }
  const Digest hash = digest_of_checked(command.secret_hash());
  const auto owner = state.key_owners.find(hash);
  if (owner == state.key_owners.end()) {
    return step.refuse(v1::NOT_FOUND, "secret_hash", "no such key exists");
  }
  const Account* const account = acting_for(step, owner->second, v1::SCOPE_UNSPECIFIED);
  if (account == nullptr) return;
  state.keys.erase(std::pair(account->id, hash));
  state.key_owners.erase(owner);
  step.entity = account->id.value;
  v1::KeyRevoked& revoked = *step.tell().mutable_key_revoked();
  revoked.set_account(account->id.value);
  revoked.set_key(key_id_of(hash));
}

void handle(Step& step, const v1::CreateJoinToken& command) {
  MarketState& state = step.state;
  if (auto why = check_hash("secret_hash", command.secret_hash())) {
    return step.refuse(std::move(*why));
  }
  if (auto why = check_expiry("expires_at_us", command.expires_at_us(), step.now)) {
    return step.refuse(std::move(*why));
  }
  if (command.uses_max() == 0) {
    return step.refuse(v1::VALUE_INVALID, "uses_max", "a token needs at least one use");
  }
  const Account* const account = acting_for(step, AccountId(command.account()), v1::PROVIDER);
  if (account == nullptr) return;
  const Digest hash = digest_of_checked(command.secret_hash());
  if (state.join_tokens.contains(hash)) {
    return step.refuse(v1::VALUE_INVALID, "secret_hash", "this token exists already");
  }
  const auto spent = [&](const JoinToken& token) {
    return token.expires_at.us != 0 && token.expires_at <= step.now;
  };
  if (state.join_tokens.size() >= state.limits.join_tokens_max) {
    std::size_t standing = 0;
    for (const auto& [unused, token] : state.join_tokens) standing += spent(token) ? 0 : 1;
    if (standing >= state.limits.join_tokens_max) {
      return step.refuse(v1::LIMIT_REACHED, "", "the market has its most join tokens, {}",
                         state.limits.join_tokens_max);
    }
    absl::erase_if(state.join_tokens, [&](const auto& entry) { return spent(entry.second); });
  }
  JoinToken token;
  token.secret_hash = hash;
  token.account = account->id;
  token.expires_at = Time{command.expires_at_us()};
  token.uses_left = command.uses_max();
  state.join_tokens.emplace(hash, token);
  step.entity = account->id.value;
  step.tell().mutable_join_token_created()->set_account(account->id.value);
}

}  // namespace fallow::core
