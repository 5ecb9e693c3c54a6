#include "server/policy_trials.h"

#include <utility>

#include "server/views.h"

namespace fallow::server {

PolicyTrials::~PolicyTrials() { stop(); }

Answer<v1::PolicyTrialView> PolicyTrials::start(const v1::Policy& policy) {
  if (!try_policy_) {
    return refuse(503, "unavailable",
                  "this server has no program to try rules with; run `fallow market policy "
                  "--dry-run --data FOLDER` beside its data folder");
  }
  const std::lock_guard lock(mutex_);
  if (latest_.state() == v1::TRIAL_RUNNING) {
    if (latest_.policy().SerializeAsString() == policy.SerializeAsString()) return latest_;
    return refuse(409, "trial_running",
                  "another trial runs, one at a time: wait for it with GET /v1/policy/trial");
  }
  if (stopping_) return refuse(503, "shutting_down", "the server stops; try again in a moment");
  if (thread_.joinable()) thread_.join();  // it has said its last word
  latest_.Clear();
  latest_.set_state(v1::TRIAL_RUNNING);
  *latest_.mutable_started_at() = timestamp_of(clock_.now());
  *latest_.mutable_policy() = policy;
  thread_ = std::thread([this, policy] { carry_out(policy); });
  return latest_;
}

void PolicyTrials::carry_out(const v1::Policy& policy) {
  Result<v1::PolicyTrialView> done = try_policy_(policy, [this] { return !stopping_; });
  const std::lock_guard lock(mutex_);
  const google::protobuf::Timestamp started_at = latest_.started_at();
  if (done) {
    latest_ = std::move(*done);
    *latest_.mutable_started_at() = started_at;
    latest_.set_state(v1::TRIAL_DONE);
  } else {
    latest_.set_state(v1::TRIAL_FAILED);
    latest_.set_detail(done.error().message);
  }
  *latest_.mutable_ended_at() = timestamp_of(clock_.now());
}

v1::PolicyTrialView PolicyTrials::latest() const {
  const std::lock_guard lock(mutex_);
  return latest_;
}

void PolicyTrials::stop() {
  stopping_ = true;
  std::thread last;
  {
    const std::lock_guard lock(mutex_);
    last = std::move(thread_);
  }
  if (last.joinable()) last.join();
}

}  // namespace fallow::server
