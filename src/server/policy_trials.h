// PolicyTrials: an operator's trials of other rules, one at a time, each by a program of its own
// beside the market: the market neither waits for it nor shares its memory.
//
// Owner: Server. start() and latest() on any thread; stop() from the owner's.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

#include "base/env.h"
#include "base/result.h"
#include "fallow/v1/trial.pb.h"
#include "server/problem.h"

namespace fallow::server {

// Carries a trial out; blocks. `go_on` says no when the server stops: it then returns soon.
using TryPolicy = std::function<Result<v1::PolicyTrialView>(const v1::Policy& policy,
                                                            const std::function<bool()>& go_on)>;

class PolicyTrials {
 public:
  // `try_policy` may be empty: then there are no trials here. The clock outlives it.
  PolicyTrials(TryPolicy try_policy, const Clock& clock)
      : try_policy_(std::move(try_policy)), clock_(clock) {}
  // stop(), if that was not called.
  ~PolicyTrials();
  PolicyTrials(const PolicyTrials&) = delete;
  PolicyTrials& operator=(const PolicyTrials&) = delete;

  // Begins one, unless the very same runs already. 409 trial_running: another one does. 503
  // unavailable: there are none here.
  Answer<v1::PolicyTrialView> start(const v1::Policy& policy);
  // TRIAL_STATE_UNSPECIFIED when there was none.
  v1::PolicyTrialView latest() const;
  // Breaks off the one that runs, and waits for it. Idempotent.
  void stop();

 private:
  void carry_out(const v1::Policy& policy);

  const TryPolicy try_policy_;
  const Clock& clock_;
  std::atomic<bool> stopping_ = false;
  mutable std::mutex mutex_;
  v1::PolicyTrialView latest_;  // under the mutex
  std::thread thread_;          // under the mutex; of the latest
};

}  // namespace fallow::server
