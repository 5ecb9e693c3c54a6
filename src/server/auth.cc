#include "server/auth.h"

#include <algorithm>
#include <cstring>
#include <mutex>

namespace fallow::server {
namespace {

constexpr std::string_view kKeyPrefix = "fk_";
constexpr std::string_view kBearer = "Bearer ";

bool has_expired(Time expires_at, Time now) { return expires_at.us != 0 && expires_at <= now; }

v1::Problem unauthorized(std::string detail) {
  return make_problem(401, "key_missing", std::move(detail));
}

}  // namespace

std::string key_text(std::string_view secret) {
  return std::string(kKeyPrefix) +
         to_hex({reinterpret_cast<const std::uint8_t*>(secret.data()), secret.size()});
}

Result<std::string> secret_of_key_text(std::string_view text) {
  if (!text.starts_with(kKeyPrefix) || text.size() != kKeyPrefix.size() + 64) {
    return fail(ErrorCode::kInvalid, "an API key is fk_ and 64 hex digits");
  }
  return from_hex(text.substr(kKeyPrefix.size()));
}

Answer<std::string_view> bearer_token(const net::Headers& headers) {
  const std::string* value = headers.find("Authorization");
  if (value == nullptr) {
    return tl::unexpected(
        unauthorized("this needs an API key: send the header `Authorization: Bearer fk_...`"));
  }
  if (value->size() <= kBearer.size() ||
      !net::equals_ignoring_case(std::string_view(*value).substr(0, kBearer.size()), kBearer)) {
    return tl::unexpected(
        unauthorized("the Authorization header is not of the form `Bearer fk_...`"));
  }
  return std::string_view(*value).substr(kBearer.size());
}

Answer<Digest> key_hash_of(std::string_view token) {
  auto secret = secret_of_key_text(token);
  if (!secret) return tl::unexpected(key_unknown());
  return digest_of(std::string_view(*secret));
}

v1::Problem key_unknown() {
  return make_problem(401, "key_unknown",
                      "the API key is unknown, revoked or expired; ask the operator for another");
}

std::size_t KeyCache::DigestHash::operator()(const Digest& digest) const {
  std::size_t hash = 0;  // a hash already: its first bytes will do
  std::memcpy(&hash, digest.data(), sizeof hash);
  return hash;
}

std::optional<Caller> KeyCache::find(const Digest& key_hash, Time now) const {
  const Time latest = std::max(now, Time{log_time_us_.load(std::memory_order_relaxed)});
  const std::shared_lock lock(mutex_);
  const auto found = callers_.find(key_hash);
  if (found == callers_.end()) return std::nullopt;
  if (has_expired(found->second.expires_at, latest)) return std::nullopt;
  return found->second;
}

std::optional<Caller> KeyCache::look_up(const core::Machine& machine, const Digest& key_hash,
                                        Time now) {
  const core::ApiKey* key = machine.key(key_hash);
  if (key == nullptr || has_expired(key->expires_at, std::max(now, machine.now()))) {
    return std::nullopt;
  }
  const core::Account* account = machine.account(key->account);
  if (account == nullptr) return std::nullopt;
  Caller caller;
  caller.account = key->account;
  caller.scopes = key->scopes & account->scopes;
  caller.key_hash = key_hash;
  caller.expires_at = key->expires_at;
  caller.role = shown_role(key->role);
  caller.rights = rights_of(key->role);
  const std::unique_lock lock(mutex_);
  if (callers_.size() >= entries_max_) callers_.clear();
  callers_.insert_or_assign(key_hash, caller);
  return caller;
}

void KeyCache::forget(AccountId account) {
  const std::unique_lock lock(mutex_);
  std::erase_if(callers_, [account](const auto& entry) { return entry.second.account == account; });
}

void KeyCache::on_batch(const engine::Batch& batch, const core::Machine&) {
  log_time_us_.store(batch.time.us, std::memory_order_relaxed);
  for (const engine::Applied& applied : batch.commands) {
    for (const v1::Event& event : applied.events) {
      if (event.has_key_revoked()) forget(AccountId(event.key_revoked().account()));
    }
  }
}

}  // namespace fallow::server
