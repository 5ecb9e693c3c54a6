// Who asks: `Authorization: Bearer fk_…` to an account and what its key may do.
#pragma once

#include <atomic>
#include <cstddef>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/digest.h"
#include "base/env.h"
#include "base/types.h"
#include "core/machine.h"
#include "engine/batch.h"
#include "net/http.h"
#include "server/problem.h"
#include "server/roles.h"

namespace fallow::server {

// The account behind a key, with the scopes that both have. Account 0: nobody (a route without
// key).
struct Caller {
  AccountId account;
  core::ScopeSet scopes = 0;
  Digest key_hash{};
  Time expires_at;                // 0: never
  std::optional<Digest> session;  // by which the key was shown; else the key itself was
  v1::Role role = v1::OWNER;      // of the key; of a team's member, in the team
  RightSet rights = 0;            // what the request may be for: see server/roles.h
  AccountId member;               // whose key it is, when that acts for its team; else 0

  bool may(v1::Scope scope) const { return (scopes & (1U << scope)) != 0; }
  bool is_operator() const { return may(v1::OPERATOR); }
  // Its own affairs, or anybody's for an operator.
  bool may_see(AccountId owner) const { return is_operator() || owner == account; }
};

// "fk_" and 64 hex digits, from 32 secret bytes, and the hash under which the market knows it.
std::string key_text(std::string_view secret);
Result<std::string> secret_of_key_text(std::string_view text);

// The bearer token as it stands in the header. 401 when there is none or it is malformed.
Answer<std::string_view> bearer_token(const net::Headers& headers);
// 401 when the token cannot be a key.
Answer<Digest> key_hash_of(std::string_view token);
// 401 key_unknown: wrong, revoked or expired.
v1::Problem key_unknown();

// Known keys, so that a request needs no visit to the market thread to be let in. An entry is made
// on the market thread and taken away there when its account revokes a key, so it is never older
// than the market. A key expires when its moment has come on the clock or in the log, whichever
// is first: a clock that is set back lets nobody in again.
//
// Owner: Server; told of batches by the engine. find() on any thread.
class KeyCache final : public engine::Subscriber {
 public:
  explicit KeyCache(std::size_t entries_max = 100'000) : entries_max_(entries_max) {}

  std::optional<Caller> find(const Digest& key_hash, Time now) const;
  // On the market thread: the key as the market has it, remembered. Nothing when unknown or
  // expired.
  std::optional<Caller> look_up(const core::Machine& machine, const Digest& key_hash, Time now);
  // On the market thread.
  void forget(AccountId account);

  std::string_view name() const override { return "key cache"; }
  void on_batch(const engine::Batch& batch, const core::Machine& machine) override;

 private:
  struct DigestHash {
    std::size_t operator()(const Digest& digest) const;
  };

  const std::size_t entries_max_;  // at that size all are forgotten and looked up anew
  mutable std::shared_mutex mutex_;
  std::unordered_map<Digest, Caller, DigestHash> callers_;
  std::atomic<std::int64_t> log_time_us_ = 0;  // of the last batch
};

}  // namespace fallow::server
