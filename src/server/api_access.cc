// Who asks, and whether he may: by key or session, in his own account or a team's.
#include <algorithm>
#include <cstring>
#include <iterator>

#include "base/number.h"
#include "server/api.h"
#include "server/key_uses.h"

namespace fallow::server {
namespace {

std::uint64_t first_bytes_of(const Digest& digest) {
  std::uint64_t number = 0;
  std::memcpy(&number, digest.data(), sizeof number);
  return number;
}

Answer<void> check_scopes(const Caller& caller, core::ScopeSet wanted) {
  if (wanted == 0 || (caller.scopes & wanted) != 0) return {};
  std::string names;
  for (const v1::Scope scope : {v1::RENTER, v1::PROVIDER, v1::OPERATOR}) {
    if ((wanted & (1U << scope)) == 0) continue;
    if (!names.empty()) names += " or ";
    names += v1::Scope_Name(scope);
  }
  return refuse(403, "not_allowed", "this needs a key with the scope {}", names);
}

Answer<void> check_right(const Caller& caller, v1::Right right) {
  if (right == v1::RIGHT_UNSPECIFIED || (caller.rights & right_bit(right)) != 0) return {};
  static constexpr std::pair<v1::Right, std::string_view> kWords[] = {
      {v1::MAY_READ, "read"},
      {v1::MAY_RUN, "rent and provide"},
      {v1::MAY_PAY, "move money"},
      {v1::MAY_MANAGE, "manage keys, webhooks, members and rules"}};
  const auto words = std::find_if(std::begin(kWords), std::end(kWords),
                                  [right](const auto& each) { return each.first == right; });
  return refuse(403, "not_allowed", "as {} one may not {} here; ask an owner of account {}",
                v1::Role_Name(caller.role), words->second, caller.account.value);
}

// The team that the request is for, by its header; none: the key's own account. To a WebSocket
// that a page opens its browser adds no header of the page's, so a handshake may name it in the
// address instead.
Answer<std::optional<AccountId>> team_of(const net::Exchange& exchange) {
  const net::Request& request = exchange.request();
  const char* name = "Fallow-Team";
  const std::string* text = request.headers.find(name);
  if (text == nullptr && exchange.asks_for_websocket()) {
    name = "team";
    text = request.parts.query_value(name);
  }
  if (text == nullptr) return std::optional<AccountId>();
  const auto id = parse_number<std::uint64_t>(*text);
  if (!id || *id == 0) return refuse_field(name, "{} is no account's id", name);
  return std::optional<AccountId>(AccountId(*id));
}

}  // namespace

Answer<void> Api::check_rate(RateLimiter& limiter, std::uint64_t caller) {
  const std::optional<Duration> wait = limiter.take(caller, edges_.clock->monotonic());
  if (!wait) return {};
  return refuse(429, "rate_limited", "too many requests; wait {} ms", wait->value / 1000 + 1);
}

Answer<Api::Shown> Api::shown_key(const net::Request& request) const {
  // A header that no page of another site can set comes before a cookie that it may make be sent.
  if (request.headers.find("Authorization") == nullptr) {
    if (const auto id = session_of(parts_.cookie, request.headers)) {
      const auto own = check_same_origin(parts_.cookie, request);
      if (!own) return tl::unexpected(own.error());
      const auto session = parts_.sessions->find(*id, edges_.clock->now());
      if (session) return Shown{session->key_hash, id};
      return refuse(401, "session_unknown",
                    "you are signed out, or the session has expired; sign in again");
    }
  }
  FALLOW_ASSIGN(const std::string_view token, bearer_token(request.headers));
  FALLOW_ASSIGN(const Digest key_hash, key_hash_of(token));
  return Shown{key_hash, std::nullopt};
}

net::Task<Answer<Caller>> Api::authenticate(net::Exchange& exchange, core::ScopeSet scopes,
                                            v1::Right right) {
  const std::uint64_t peer = peer_number(exchange.peer_address());
  if (scopes == 0) {
    FALLOW_CO_TRY(check_rate(per_peer_, peer));
    co_return Caller{};
  }
  const Answer<Shown> shown = shown_key(exchange.request());
  std::optional<Caller> known;
  if (shown) known = parts_.keys->find(shown->key_hash, edges_.clock->now());
  if (!known) {
    // Nobody's guesses reach the market thread faster than this.
    FALLOW_CO_TRY(check_rate(per_peer_, peer));
    if (!shown) co_return tl::unexpected(shown.error());
    FALLOW_CO_ASSIGN(known, co_await look_up(exchange, shown->key_hash));
  }
  known->session = shown->session;
  FALLOW_CO_TRY(check_rate(per_key_, first_bytes_of(shown->key_hash)));
  parts_.key_uses->note(shown->key_hash, edges_.clock->now());
  FALLOW_CO_ASSIGN(const std::optional<AccountId> team, team_of(exchange));
  if (team && *team != known->account) {
    FALLOW_CO_ASSIGN(known, co_await in_team(exchange, *known, *team));
  }
  FALLOW_CO_TRY(check_scopes(*known, scopes));
  FALLOW_CO_TRY(check_right(*known, right));
  co_return *known;
}

net::Task<Answer<Caller>> Api::in_team(net::Exchange& exchange, Caller caller, AccountId account) {
  const Caller nobody;
  const Call call(parts_, nobody, exchange.request(), {}, exchange.executor());
  const std::function<Answer<Caller>(const core::Machine&)> look =
      [&](const core::Machine& machine) -> Answer<Caller> {
    const std::optional<v1::Role> role = machine.role_in(account, caller.account);
    if (!role) {
      return refuse(404, "account_unknown",
                    "there is no account {} that yours may act for; GET /v1/teams lists them",
                    account.value);
    }
    Caller member = caller;
    member.member = caller.account;
    member.account = account;
    member.scopes &= machine.account(account)->scopes;
    // At most what the key may in its own account, too.
    member.rights &= rights_of(*role);
    member.role = member.rights == rights_of(*role) ? *role : caller.role;
    return member;
  };
  co_return co_await call.visit(look);
}

net::Task<Answer<Caller>> Api::look_up(net::Exchange& exchange, const Digest& key_hash) {
  const Caller nobody;
  const Call call(parts_, nobody, exchange.request(), {}, exchange.executor());
  const std::function<Answer<Caller>(const core::Machine&)> look =
      [&](const core::Machine& machine) -> Answer<Caller> {
    std::optional<Caller> found = parts_.keys->look_up(machine, key_hash, edges_.clock->now());
    if (!found) return tl::unexpected(key_unknown());
    return *found;
  };
  co_return co_await call.visit(look);
}

net::Task<bool> Api::still_known(net::Exchange& exchange, const Caller& caller) {
  if (caller.session && !parts_.sessions->find(*caller.session, edges_.clock->now())) {
    co_return false;
  }
  std::optional<Caller> known = parts_.keys->find(caller.key_hash, edges_.clock->now());
  if (!known) {
    const Answer<Caller> found = co_await look_up(exchange, caller.key_hash);
    if (!found) co_return false;
    known = *found;
  }
  if (caller.member.value == 0) co_return true;
  const Answer<Caller> member = co_await in_team(exchange, *known, caller.account);
  co_return member && (caller.rights & ~member->rights) == 0;
}

}  // namespace fallow::server
