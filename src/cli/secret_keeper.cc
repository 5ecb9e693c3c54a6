#include "cli/secret_keeper.h"

#include <chrono>
#include <utility>

#include "base/digest.h"
#include "base/sealing.h"
#include "base/signing.h"
#include "cli/command.h"

namespace fallow::cli {
namespace {

constexpr std::chrono::seconds kAskInterval{1};

client::ApiError not_to_be_trusted(const v1::SecretAskView& ask) {
  return client::local_error(
      {ErrorCode::kDenied,
       fmt::format("node {} asks for the secrets of lease {} with a key that it has not signed: "
                   "nothing is handed over; stop the job, and tell the market's operator",
                   ask.node(), ask.lease())});
}

}  // namespace

bool may_pass(const client::ApiError& error) {
  using Kind = client::ApiError::Kind;
  return error.kind == Kind::kUnreachable ||
         (error.kind == Kind::kRefused &&
          (error.problem.status() == 429 || error.problem.status() >= 500));
}

client::ApiResult<void> SecretKeeper::answer_once() {
  using Kind = client::ApiError::Kind;
  v1::ListSecretAsksRequest request;
  request.set_order(order_);
  const auto asks = api_.call<v1::ListSecretAsksResponse>("Secrets.ListSecretAsks", request);
  if (!asks) {
    if (may_pass(asks.error())) return {};
    return tl::unexpected(asks.error());
  }
  for (const v1::SecretAskView& ask : asks->asks()) {
    if (auto answered = answer(ask); !answered) {
      // Somebody was quicker, or the node or its lease is gone: it asks again, or nobody does.
      if (answered.error().kind == Kind::kUnreachable || answered.error().kind == Kind::kRefused) {
        continue;
      }
      return answered;
    }
    if (told_) told_(ask);
  }
  return {};
}

client::ApiResult<void> SecretKeeper::answer(const v1::SecretAskView& ask) {
  const auto node_key = from_hex(ask.node_key());
  const auto public_key = from_hex(ask.public_key());
  const auto signature = from_hex(ask.signature());
  if (!node_key || !public_key || !signature ||
      !verify_signature(*node_key, secret_ask_bytes(LeaseId(ask.lease()), *public_key),
                        *signature)) {
    return tl::unexpected(not_to_be_trusted(ask));
  }
  secrets_.set_lease(ask.lease());
  auto sealed = seal_for(*public_key, secrets_.SerializeAsString());
  if (!sealed) return tl::unexpected(not_to_be_trusted(ask));
  v1::DeliverSecretsRequest request;
  request.set_lease(ask.lease());
  request.set_sealed(std::move(*sealed));
  const auto delivered = api_.call<v1::DeliverSecretsResponse>("Secrets.DeliverSecrets", request);
  if (!delivered) return tl::unexpected(delivered.error());
  return {};
}

SecretKeeping::SecretKeeping(const Context& context, std::unique_ptr<client::Api> api,
                             std::uint64_t order, v1::LeaseSecrets secrets)
    : context_(context),
      api_(std::move(api)),
      keeper_(*api_, order, std::move(secrets), nullptr),
      thread_([this] { keep(); }) {}

SecretKeeping::~SecretKeeping() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  api_->cancel();
  thread_.join();
}

void SecretKeeping::keep() {
  std::unique_lock lock(mutex_);
  while (!ending_) {
    lock.unlock();
    const auto answered = keeper_.answer_once();
    lock.lock();
    if (!answered && !ending_) {
      report(context_, answered.error());
      return;
    }
    wake_.wait_for(lock, kAskInterval, [this] { return ending_; });
  }
}

}  // namespace fallow::cli
