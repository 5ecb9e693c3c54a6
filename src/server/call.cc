#include "server/call.h"

#include <sodium/crypto_generichash.h>

#include <algorithm>

#include "server/views.h"

namespace fallow::server {
namespace {

constexpr std::size_t kIdempotencyKeyBytesMax = 255;

const std::string* idempotency_key(const net::Request& request) {
  return request.headers.find("Idempotency-Key");
}

std::string first_bytes(Digester& digester, std::size_t count) {
  return to_bytes(digester.finish()).substr(0, count);
}

}  // namespace

Answer<void> Call::check_idempotency_key() const {
  const std::string* key = idempotency_key(request_);
  if (key == nullptr) return {};
  const bool printable =
      std::all_of(key->begin(), key->end(), [](char c) { return c > ' ' && c < '\x7f'; });
  if (key->empty() || key->size() > kIdempotencyKeyBytesMax || !printable) {
    return tl::unexpected(make_problem(
        400, "value_invalid",
        fmt::format("Idempotency-Key must be 1 to {} printable characters without blanks",
                    kIdempotencyKeyBytesMax),
        "Idempotency-Key"));
  }
  return {};
}

void Call::sign(v1::Command& command, std::string_view part) const {
  command.set_actor(caller_.account.value);
  const std::string* key = idempotency_key(request_);
  if (key == nullptr) return;
  Digester request_key;
  request_key.update_u64(caller_.account.value).update(*key);
  // Members choose their keys apart from each other.
  if (caller_.member.value != 0) {
    request_key.update(std::string_view("\0member", 7)).update_u64(caller_.member.value);
  }
  if (!part.empty()) request_key.update(std::string_view("\0", 1)).update(part);
  command.set_request_key(first_bytes(request_key, 16));
  Digester fingerprint;
  fingerprint.update(request_.method)
      .update(" ")
      .update(request_.parts.path)
      .update("\n")
      .update(body_);
  if (kept_to_key_) fingerprint.update(std::string_view("\0key", 4)).update(caller_.key_hash);
  command.set_request_fingerprint(first_bytes(fingerprint, 8));
}

std::string Call::secret_for(std::string_view purpose) {
  keep_to_key();
  std::string secret(32, '\0');
  const std::span<std::uint8_t> bytes(reinterpret_cast<std::uint8_t*>(secret.data()),
                                      secret.size());
  if (idempotency_key(request_) != nullptr) {
    v1::Command command;
    sign(command, purpose);
    const std::string text =
        "fallow secret v1" + command.request_key() + command.request_fingerprint();
    crypto_generichash(bytes.data(), bytes.size(),
                       reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                       reinterpret_cast<const unsigned char*>(parts_.secret.data()),
                       parts_.secret.size());
  } else {
    parts_.random->fill(bytes);
  }
  return secret;
}

net::Task<Answer<void>> Call::look_in(std::function<void(const core::Machine&)> look) const {
  const net::OneShot<Answer<void>> seen(executor_);
  const Status queued = parts_.engine->read([&look, seen](const core::Machine& machine) {
    look(machine);
    seen.set({});
  });
  if (!queued) co_return tl::unexpected(queue_problem(queued.error()));
  const Result<Answer<void>> answer = co_await seen.wait(net::kForever);
  if (!answer) co_return tl::unexpected(queue_problem(answer.error()));
  co_return *answer;
}

net::Task<Answer<void>> Call::submit_and(v1::Command command, std::function<void(const Done&)> take,
                                         std::string_view part) {
  sign(command, part);
  const net::OneShot<Answer<void>> taken(executor_);
  const Status queued = parts_.engine->submit(
      command,
      [this, &take, taken](const Result<engine::Applied>& applied, const core::Machine& machine) {
        Answer<Done> done = done_of(applied, machine);
        if (!done) return taken.set(tl::unexpected(std::move(done).error()));
        take(*done);
        taken.set({});
      });
  if (!queued) co_return tl::unexpected(queue_problem(queued.error()));
  const Result<Answer<void>> answer = co_await taken.wait(net::kForever);
  if (!answer) co_return tl::unexpected(queue_problem(answer.error()));
  co_return *answer;
}

v1::Problem Call::queue_problem(const Error& error) {
  switch (error.code) {
    case ErrorCode::kBusy:
      return make_problem(503, "busy", error.message);
    case ErrorCode::kClosed:
      return make_problem(503, "shutting_down", "the server is going down; try again in a moment");
    case ErrorCode::kTooLarge:
      return make_problem(413, "too_large", error.message);
    case ErrorCode::kInvalid:
      return make_problem(400, "value_invalid", error.message);
    default:
      return make_problem(503, "unavailable", error.message);
  }
}

Answer<Done> Call::done_of(const Result<engine::Applied>& applied,
                           const core::Machine& machine) const {
  if (!applied) return tl::unexpected(queue_problem(applied.error()));
  Done done{applied->index, applied->time, applied->events, machine};
  for (const v1::Event& event : applied->events) {
    if (event.has_refused()) {
      v1::Problem problem = problem_of(event.refused());
      if (kept_to_key_ && event.refused().code() == v1::KEY_REUSED) {
        problem.set_detail(
            "this idempotency key was used before, for another request or with another API key: "
            "what this gives out is given again to the API key that asked alone. Choose another");
      }
      if (event.refused().has_next_quote()) {
        const v1::BoundQuote& next = event.refused().next_quote();
        *problem.mutable_next_quote() = quote_view(next);
        problem.mutable_next_quote()->set_id(parts_.quotes->id_of(next));
      }
      return tl::unexpected(std::move(problem));
    }
    if (event.has_repeated()) done.repeated = event.repeated().entity();
  }
  return done;
}

}  // namespace fallow::server
