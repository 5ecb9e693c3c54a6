// The service Sessions: how the console signs in and out. The cookie is all that a browser keeps.
#include <algorithm>

#include "fallow/v1/services.pb.h"
#include "server/handlers.h"
#include "server/session_cookie.h"
#include "server/sessions.h"
#include "server/views.h"

namespace fallow::server {
namespace {

v1::SessionView session_view(const core::Account& account, const Caller& caller, Time expires_at) {
  v1::SessionView view;
  *view.mutable_account() = account_view(account);
  for (const v1::Scope scope : {v1::RENTER, v1::PROVIDER, v1::OPERATOR}) {
    if (caller.may(scope)) view.add_scopes(scope);
  }
  view.set_key(key_id(caller.key_hash));
  view.set_role(caller.role);
  view.set_member(caller.member.value);
  if (expires_at.us != 0) *view.mutable_expires_at() = timestamp_of(expires_at);
  return view;
}

// The earlier of the two; 0 is never.
Time end_of(Time session, Time key) { return key.us == 0 ? session : std::min(session, key); }

net::Task<Answer<v1::SessionView>> create_session(Call& call,
                                                  const v1::CreateSessionRequest& request) {
  const Answer<void> own = check_same_origin(call.parts().cookie, call.request());
  if (!own) co_return tl::unexpected(own.error());
  if (request.api_key().empty()) {
    co_return refuse_field("api_key", "show the API key that the session is to stand for");
  }
  FALLOW_CO_ASSIGN(const Digest key_hash, key_hash_of(request.api_key()));
  Sessions& sessions = *call.parts().sessions;
  const Time now = call.now();
  Time expires_at = now + sessions.limits().lifetime;
  const std::function<Answer<v1::SessionView>(const core::Machine&)> look =
      [&](const core::Machine& machine) -> Answer<v1::SessionView> {
    const auto caller = call.parts().keys->look_up(machine, key_hash, now);
    if (!caller) return tl::unexpected(key_unknown());
    expires_at = end_of(expires_at, caller->expires_at);
    return session_view(*machine.account(caller->account), *caller, expires_at);
  };
  FALLOW_CO_ASSIGN(v1::SessionView view, co_await call.visit(look));

  std::string secret(32, '\0');
  call.parts().random->fill({reinterpret_cast<std::uint8_t*>(secret.data()), secret.size()});
  const Digest id = digest_of(std::string_view(secret));
  const std::function<Answer<bool>()> keep = [&]() -> Answer<bool> {
    const Status added =
        sessions.add(id, Session{AccountId(view.account().id()), key_hash, expires_at}, now);
    if (added) return true;
    if (added.error().code == ErrorCode::kBusy) {
      return refuse(503, "busy", "{}", added.error().message);
    }
    return tl::unexpected(problem_of(added.error(), "keep the session"));
  };
  FALLOW_CO_TRY(co_await call.on_disk(keep));
  const Duration lifetime = std::max(seconds(1), expires_at - now);
  call.answer_headers().add("Set-Cookie", write_cookie(call.parts().cookie, secret, lifetime));
  co_return view;
}

net::Task<Answer<v1::SessionView>> get_session(Call& call, const v1::GetSessionRequest&) {
  const Caller& caller = call.caller();
  Time expires_at = caller.expires_at;
  if (caller.session) {
    const auto session = call.parts().sessions->find(*caller.session, call.now());
    if (session) expires_at = session->expires_at;
  }
  const std::function<Answer<v1::SessionView>(const core::Machine&)> look =
      [&](const core::Machine& machine) -> Answer<v1::SessionView> {
    const core::Account* account = machine.account(caller.account);
    if (account == nullptr) return tl::unexpected(key_unknown());
    return session_view(*account, caller, expires_at);
  };
  co_return co_await call.visit(look);
}

net::Task<Answer<v1::DeleteSessionResponse>> delete_session(Call& call,
                                                            const v1::DeleteSessionRequest&) {
  const Caller& caller = call.caller();
  if (!caller.session) {
    co_return refuse(
        404, "not_found",
        "this request showed an API key, not a session; DELETE /v1/keys/{{key}} revokes "
        "keys");
  }
  const std::function<Answer<bool>()> forget = [&]() -> Answer<bool> {
    const Status removed = call.parts().sessions->remove(*caller.session);
    if (!removed) return tl::unexpected(problem_of(removed.error(), "forget the session"));
    return true;
  };
  FALLOW_CO_TRY(co_await call.on_disk(forget));
  call.answer_headers().add("Set-Cookie", write_cookie_removal(call.parts().cookie));
  co_return v1::DeleteSessionResponse();
}

}  // namespace

void add_session_handlers(Handlers& handlers) {
  handlers.add("Sessions.CreateSession", create_session);
  handlers.add("Sessions.GetSession", get_session);
  handlers.add("Sessions.DeleteSession", delete_session);
}

}  // namespace fallow::server
