// Call: one request on its way through a handler: who asks, and the two ways to the market.
//
// Owner: the API, on the stack of the request's coroutine, on one I/O thread. Handlers run there;
// only what they hand to visit() and submit() runs on the market thread, while the handler waits,
// so it may refer to the handler's own variables.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "artifacts/store.h"
#include "base/env.h"
#include "core/machine.h"
#include "engine/engine.h"
#include "net/deadline.h"
#include "net/http.h"
#include "net/notifier.h"
#include "net/task.h"
#include "server/auth.h"
#include "server/disk_pool.h"
#include "server/policy_trials.h"
#include "server/ports.h"
#include "server/problem.h"
#include "server/quote_codec.h"
#include "server/router.h"
#include "server/session_cookie.h"
#include "server/sessions.h"

namespace fallow::server {

class KeyUses;
class Webhooks;
class WebhookStore;

// What handlers stand on. All of it outlives the API and is safe on every thread.
struct ApiParts {
  engine::Engine* engine = nullptr;
  const Clock* clock = nullptr;
  Random* random = nullptr;
  KeyCache* keys = nullptr;
  KeyUses* key_uses = nullptr;
  Webhooks* webhooks = nullptr;
  WebhookStore* webhook_store = nullptr;
  const QuoteCodec* quotes = nullptr;
  LogReader* logs = nullptr;
  ReceiptSource* receipts = nullptr;
  TransferHistory* transfers = nullptr;
  StatementHistory* statements = nullptr;
  EarningsHistory* earnings = nullptr;
  PriceHistory* prices = nullptr;
  HourHistory* hours = nullptr;
  FeedSource* feed = nullptr;
  AuditSource* audit = nullptr;
  TelemetrySource* telemetry = nullptr;
  DiskPool* disk = nullptr;
  artifacts::BlobStore* artifacts = nullptr;
  Sessions* sessions = nullptr;
  PolicyTrials* trials = nullptr;
  SecretDoor* secrets = nullptr;
  CookieForm cookie;
  std::string secret;  // 32 bytes of the data folder: secrets that are given out derive from it
  std::string scratch_folder;  // of files without a name, on the data folder's disk
  std::string url;             // where agents reach this server; goes into join tokens
  Digest certificate{};        // SHA-256 that agents pin; zero over plain HTTP
};

// What a command led to, on the market thread: never a refusal, those are problems already.
struct Done {
  LogIndex index;
  Time time;
  core::EventSpan events;
  const core::Machine& machine;
  std::uint64_t repeated = 0;  // what the first command with this idempotency key made; 0: none

  // What this command or the one it repeats made: `id_of` says it of the event of that kind.
  template <class Message>
  std::uint64_t entity(const Message& (v1::Event::*message)() const, v1::Event::KindCase kind,
                       std::uint64_t (Message::*id_of)() const) const {
    for (const v1::Event& event : events) {
      if (event.kind_case() == kind) return ((event.*message)().*id_of)();
    }
    return repeated;
  }
};

class Call {
 public:
  Call(const ApiParts& parts, const Caller& caller, const net::Request& request,
       std::string_view body, net::Executor executor)
      : parts_(parts),
        caller_(caller),
        request_(request),
        body_(body),
        executor_(std::move(executor)) {}

  const ApiParts& parts() const { return parts_; }
  const Caller& caller() const { return caller_; }
  const net::Request& request() const { return request_; }
  const net::Executor& executor() const { return executor_; }
  Time now() const { return parts_.clock->now(); }
  // Sent with the answer when it is not a problem.
  net::Headers& answer_headers() { return answer_headers_; }

  // 400 when the header Idempotency-Key is malformed. Before anything else.
  Answer<void> check_idempotency_key() const;
  // 32 secret bytes for a key or token that this call gives out: the same ones again when the call
  // is repeated with its idempotency key, else random. Keeps the call to its API key.
  std::string secret_for(std::string_view purpose);
  // The answer holds a secret: of what is submitted from now on it is given again to the very API
  // key that asked alone. For any other one of the account the idempotency key is taken, however
  // easily it is guessed.
  void keep_to_key() { kept_to_key_ = true; }

  // `look` on the market thread, between two commands; keep it short.
  template <class T>
  net::Task<Answer<T>> visit(std::function<Answer<T>(const core::Machine&)> look) const;

  // `work` on a thread that may wait for the local disk.
  template <class T>
  net::Task<Answer<T>> on_disk(std::function<Answer<T>()> work) {
    return parts_.disk->run<T>(executor_, std::move(work));
  }

  // The command in the caller's name and under the idempotency key, with `part` telling apart the
  // commands of one call; then `take` on the market thread, right behind it.
  template <class T>
  net::Task<Answer<T>> submit(v1::Command command, std::function<Answer<T>(const Done&)> take,
                              std::string_view part = {});

 private:
  // visit() and submit() for any type: what follows the market is the same for all, and compiled
  // once.
  net::Task<Answer<void>> look_in(std::function<void(const core::Machine&)> look) const;
  net::Task<Answer<void>> submit_and(v1::Command command, std::function<void(const Done&)> take,
                                     std::string_view part);
  void sign(v1::Command& command, std::string_view part) const;
  Answer<Done> done_of(const Result<engine::Applied>& applied, const core::Machine& machine) const;
  static v1::Problem queue_problem(const Error& error);

  const ApiParts& parts_;
  const Caller& caller_;
  const net::Request& request_;
  const std::string_view body_;
  const net::Executor executor_;
  net::Headers answer_headers_;
  bool kept_to_key_ = false;
};

template <class T>
net::Task<Answer<T>> Call::visit(std::function<Answer<T>(const core::Machine&)> look) const {
  std::optional<Answer<T>> seen;
  Answer<void> visited =
      co_await look_in([&](const core::Machine& machine) { seen.emplace(look(machine)); });
  if (!visited) co_return tl::unexpected(std::move(visited).error());
  co_return std::move(*seen);
}

template <class T>
net::Task<Answer<T>> Call::submit(v1::Command command, std::function<Answer<T>(const Done&)> take,
                                  std::string_view part) {
  std::optional<Answer<T>> taken;
  Answer<void> submitted = co_await submit_and(
      std::move(command), [&](const Done& done) { taken.emplace(take(done)); }, part);
  if (!submitted) co_return tl::unexpected(std::move(submitted).error());
  co_return std::move(*taken);
}

}  // namespace fallow::server
