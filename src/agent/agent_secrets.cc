#include "agent/agent_impl.h"

namespace fallow::agent {

// What a lease needs of its renter's secrets comes first: the login brings its image.
void Agent::Impl::ask_for_secrets(const v1::DesiredLease& desired) {
  const LeaseId lease(desired.lease());
  const Time now = read_now().monotonic;
  secrets.ask(desired, now);
  // In the renter's log, where he looks when nothing happens.
  pump.add(lease);
  if (notes.add(lease,
                fmt::format("waiting for the secrets of job {}, which its renter hands over: "
                            "`fallow run`, or `fallow secrets {}`",
                            desired.order(), desired.order()),
                now)) {
    pump.grown(lease);
  }
}

void Agent::Impl::hear_secrets(const v1::SealedSecrets& sent) {
  auto desired = secrets.take(sent);
  const LeaseId lease(sent.lease());
  if (desired) {
    spdlog::info("lease {} has its secrets", lease.value);
    prepare(Prepare{std::move(*desired)});
    return;
  }
  // The message says what is wrong, never what was in it.
  spdlog::warn("lease {}: secrets were not taken: {}", lease.value, desired.error().message);
  if (desired.error().code != ErrorCode::kCorrupt) return;
  secrets.forget(lease);
  own_events.emplace_back(PrepareFailed{lease, v1::INPUT_INVALID, desired.error().message});
}

void Agent::Impl::tend_secrets() {
  const Time now = read_now().monotonic;
  for (v1::SecretAsk& ask : secrets.take_due(now)) {
    v1::AgentMessage message;
    *message.mutable_secret_ask() = std::move(ask);
    send(message);
  }
  for (const v1::DesiredLease& late : secrets.take_late(now)) {
    own_events.emplace_back(PrepareFailed{
        LeaseId(late.lease()), v1::INPUT_INVALID,
        fmt::format(
            "the job's secrets were not handed over within {} s: `fallow run` does it while "
            "it follows the job, `fallow secrets {}` from anywhere",
            options.secret_wait.value / 1'000'000, late.order())});
  }
}

}  // namespace fallow::agent
