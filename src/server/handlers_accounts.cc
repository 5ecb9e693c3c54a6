// The service Accounts: accounts, their keys, and the market's rules.
#include "core/policy.h"
#include "fallow/v1/services.pb.h"
#include "server/handlers.h"
#include "server/key_uses.h"
#include "server/pages.h"
#include "server/requirements.h"
#include "server/scan.h"
#include "server/views.h"
#include "server/visible.h"

namespace fallow::server {
namespace {

constexpr double kKeyHoursMax = 24 * 365 * 10;

Digest hash_of(const std::string& secret) { return digest_of(std::string_view(secret)); }

net::Task<Answer<v1::CreateAccountResponse>> create_account(
    Call& call, const v1::CreateAccountRequest& request) {
  v1::Command open;
  open.mutable_open_account()->set_name(request.name());
  *open.mutable_open_account()->mutable_scopes() = request.scopes();
  const std::function<Answer<v1::AccountView>(const Done&)> take_account =
      [](const Done& done) -> Answer<v1::AccountView> {
    const std::uint64_t id = done.entity(&v1::Event::account_opened, v1::Event::kAccountOpened,
                                         &v1::AccountOpened::account);
    FALLOW_ASSIGN(const core::Account* account, known_account(done.machine, AccountId(id)));
    return account_view(*account);
  };
  FALLOW_CO_ASSIGN(v1::AccountView account, co_await call.submit(std::move(open), take_account));

  // A second command: should the server die between the two, the same idempotency key goes on here.
  const std::string secret = call.secret_for("first key");
  v1::Command add;
  v1::AddKey& key = *add.mutable_add_key();
  key.set_account(account.id());
  key.set_secret_hash(to_bytes(hash_of(secret)));
  *key.mutable_scopes() = account.scopes();
  key.set_label("first");
  key.set_role(v1::OWNER);
  const std::function<Answer<bool>(const Done&)> take_key = [](const Done&) -> Answer<bool> {
    return true;
  };
  FALLOW_CO_TRY(co_await call.submit(std::move(add), take_key, "first key"));
  v1::CreateAccountResponse response;
  *response.mutable_account() = std::move(account);
  response.set_api_key(key_text(secret));
  co_return response;
}

net::Task<Answer<v1::ListAccountsResponse>> list_accounts(Call& call,
                                                          const v1::ListAccountsRequest& request) {
  FALLOW_CO_ASSIGN(const std::size_t size, page_size_of(request.page_size()));
  FALLOW_CO_ASSIGN(const std::uint64_t after, page_position("accounts", request.page_token()));
  v1::ListAccountsResponse response;
  const auto step = [&](const core::Machine& machine, Scan& scan) {
    machine.visit_accounts(AccountId(scan.position), [&](const core::Account& account) {
      if (!scan.look_at(account.id.value)) return false;
      *response.add_accounts() = account_view(account);
      return scan.take();
    });
  };
  FALLOW_CO_ASSIGN(const Scan scan, co_await scan_all(call, after, size, step));
  if (scan.is_full()) response.set_next_page_token(page_token("accounts", scan.position));
  co_return response;
}

net::Task<Answer<v1::AccountView>> get_account(Call& call, const v1::GetAccountRequest&) {
  const std::function<Answer<v1::AccountView>(const core::Machine&)> look =
      [&call](const core::Machine& machine) -> Answer<v1::AccountView> {
    const core::Account* account = machine.account(call.caller().account);
    if (account == nullptr) return tl::unexpected(key_unknown());
    return account_view(*account);
  };
  co_return co_await call.visit(look);
}

net::Task<Answer<v1::CreateKeyResponse>> create_key(Call& call,
                                                    const v1::CreateKeyRequest& request) {
  FALLOW_CO_ASSIGN(const Duration time,
                   hours_of("hours", request.hours(), Duration(), kKeyHoursMax));
  v1::Command command;
  v1::AddKey& out = *command.mutable_add_key();
  out.set_account(call.caller().account.value);
  for (const v1::Scope scope : {v1::RENTER, v1::PROVIDER, v1::OPERATOR}) {
    if (request.scopes().empty() && call.caller().may(scope)) out.add_scopes(scope);
  }
  for (const int scope : request.scopes()) {
    if (!call.caller().may(static_cast<v1::Scope>(scope))) {
      co_return refuse(403, "not_allowed",
                       "this key has not the scope {}, so it cannot give it to another",
                       v1::Scope_Name(scope));
    }
    out.add_scopes(static_cast<v1::Scope>(scope));
  }
  out.set_label(request.label());
  out.set_role(shown_role(request.role()));
  const std::string secret = call.secret_for("key");
  const Digest hash = hash_of(secret);
  out.set_secret_hash(to_bytes(hash));
  // A key of a limited life cannot make one that outlives it.
  Time expires_at = time.value == 0 ? Time() : call.now() + time;
  const Time own = call.caller().expires_at;
  if (own.us != 0 && (expires_at.us == 0 || own < expires_at)) expires_at = own;
  out.set_expires_at_us(expires_at.us);
  const std::function<Answer<v1::CreateKeyResponse>(const Done&)> take =
      [&](const Done& done) -> Answer<v1::CreateKeyResponse> {
    const core::ApiKey* key = done.machine.key(hash);
    if (key == nullptr) {
      return refuse(409, "already_ended", "the key that this call made has been revoked since");
    }
    v1::CreateKeyResponse response;
    *response.mutable_key() = key_view(*key);
    response.set_api_key(key_text(secret));
    return response;
  };
  co_return co_await call.submit(std::move(command), take);
}

net::Task<Answer<bool>> put_last_uses(Call& call, v1::ListKeysResponse& response) {
  std::vector<std::string> ids;
  for (const v1::KeyView& key : response.keys()) ids.push_back(key.id());
  const std::function<Answer<std::vector<Time>>()> read = [&]() -> Answer<std::vector<Time>> {
    auto times = call.parts().key_uses->last_used(ids);
    if (times) return std::move(*times);
    return tl::unexpected(problem_of(times.error(), "read when keys were used"));
  };
  FALLOW_CO_ASSIGN(const std::vector<Time> times, co_await call.on_disk(read));
  for (std::size_t i = 0; i < times.size(); ++i) {
    if (times[i].us == 0) continue;
    *response.mutable_keys(static_cast<int>(i))->mutable_last_used_at() = timestamp_of(times[i]);
  }
  co_return true;
}

net::Task<Answer<v1::ListKeysResponse>> list_keys(Call& call, const v1::ListKeysRequest& request) {
  FALLOW_CO_ASSIGN(const AccountId account, visible_account(call, request.account()));
  const std::function<Answer<v1::ListKeysResponse>(const core::Machine&)> look =
      [account](const core::Machine& machine) -> Answer<v1::ListKeysResponse> {
    FALLOW_TRY(known_account(machine, account));
    v1::ListKeysResponse response;
    machine.visit_keys(account, [&response](const core::ApiKey& key) {
      *response.add_keys() = key_view(key);
      return static_cast<std::size_t>(response.keys_size()) < kPageSizeMax;
    });
    return response;
  };
  FALLOW_CO_ASSIGN(v1::ListKeysResponse response, co_await call.visit(look));
  FALLOW_CO_TRY(co_await put_last_uses(call, response));
  co_return response;
}

net::Task<Answer<v1::KeyView>> revoke_key(Call& call, const v1::RevokeKeyRequest& request) {
  using Found = std::pair<Digest, v1::KeyView>;
  FALLOW_CO_ASSIGN(const AccountId account, visible_account(call, request.account()));
  const std::function<Answer<Found>(const core::Machine&)> look =
      [&](const core::Machine& machine) -> Answer<Found> {
    std::optional<Found> found;
    machine.visit_keys(account, [&](const core::ApiKey& key) {
      if (key_id(key.secret_hash) == request.key()) found.emplace(key.secret_hash, key_view(key));
      return !found;
    });
    if (found) return std::move(*found);
    return refuse(404, "not_found", "this account has no key of that id; GET /v1/keys lists them");
  };
  FALLOW_CO_ASSIGN(const Found found, co_await call.visit(look));
  // An operator's word holds for every key of another account: it may open accounts of any scope.
  for (const int scope : found.second.scopes()) {
    if (account != call.caller().account) break;
    if (!call.caller().may(static_cast<v1::Scope>(scope))) {
      co_return refuse(403, "not_allowed", "the key may do more than the one that would revoke it");
    }
  }
  v1::Command command;
  command.mutable_revoke_key()->set_secret_hash(to_bytes(found.first));
  const std::function<Answer<v1::KeyView>(const Done&)> take =
      [&](const Done&) -> Answer<v1::KeyView> {
    call.parts().keys->forget(account);
    return found.second;
  };
  co_return co_await call.submit(std::move(command), take);
}

net::Task<Answer<v1::MarketView>> set_policy(Call& call, const v1::SetPolicyRequest& request) {
  if (!request.has_policy()) {
    co_return refuse_field("policy", "give the whole policy; GET /v1/market shows the present one");
  }
  v1::Command command;
  *command.mutable_set_policy()->mutable_policy() = request.policy();
  const std::function<Answer<v1::MarketView>(const Done&)> take =
      [&call](const Done& done) -> Answer<v1::MarketView> {
    v1::MarketView view = market_view(done.machine, done.time);
    view.set_log_head(to_hex(call.parts().engine->chain()));
    return view;
  };
  co_return co_await call.submit(std::move(command), take);
}

net::Task<Answer<v1::PolicyTrialView>> start_policy_trial(
    Call& call, const v1::StartPolicyTrialRequest& request) {
  if (!request.has_policy()) {
    co_return refuse_field("policy", "give the whole policy; GET /v1/market shows the present one");
  }
  const auto why = core::check_policy(request.policy());
  if (why) co_return tl::unexpected(problem_of(*why));
  co_return call.parts().trials->start(request.policy());
}

net::Task<Answer<v1::PolicyTrialView>> get_policy_trial(Call& call,
                                                        const v1::GetPolicyTrialRequest&) {
  co_return call.parts().trials->latest();
}

}  // namespace

void add_account_handlers(Handlers& handlers) {
  handlers.add("Accounts.CreateAccount", create_account);
  handlers.add("Accounts.ListAccounts", list_accounts);
  handlers.add("Accounts.GetAccount", get_account);
  handlers.add("Accounts.CreateKey", create_key);
  handlers.add("Accounts.ListKeys", list_keys);
  handlers.add("Accounts.RevokeKey", revoke_key);
  handlers.add("Accounts.SetPolicy", set_policy);
  handlers.add("Accounts.StartPolicyTrial", start_policy_trial);
  handlers.add("Accounts.GetPolicyTrial", get_policy_trial);
}

}  // namespace fallow::server
