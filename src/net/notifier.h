// Notifier and OneShot: how other threads wake a coroutine.
//
// A handler that needs an answer of the market thread awaits a OneShot that the market thread
// sets; a stream of events awaits a Notifier that the feed's writer pokes.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "base/result.h"
#include "base/types.h"
#include "net/task.h"

namespace fallow::net {

// A wake-up that is remembered until it is taken: many notify() before one wait() are one. A
// handle: copies share the state, and may be dropped at any time on any thread. One coroutine waits
// at a time. No notify() once the pool is destroyed.
class Notifier {
 public:
  explicit Notifier(Executor executor);

  // Any thread; never blocks, never calls back inside.
  void notify() const;
  // On the executor's thread. True when notified since the last wait, false after `timeout`.
  Task<bool> wait(Duration timeout) const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// A value set once by any thread and awaited by one coroutine. A handle like Notifier.
template <class T>
class OneShot {
 public:
  explicit OneShot(Executor executor) : state_(std::make_shared<State>(std::move(executor))) {}

  // Any thread. Only the first value counts.
  void set(T value) const {
    {
      const std::lock_guard lock(state_->mutex);
      if (state_->value) return;
      state_->value.emplace(std::move(value));
    }
    state_->notifier.notify();
  }

  // On the executor's thread, once. kTimedOut when nobody set it within `timeout`.
  Task<Result<T>> wait(Duration timeout) const {
    const std::shared_ptr<State> state = state_;
    co_await state->notifier.wait(timeout);
    const std::lock_guard lock(state->mutex);
    if (!state->value) co_return fail(ErrorCode::kTimedOut, "no answer came in time");
    co_return Result<T>(std::move(*state->value));
  }

 private:
  struct State {
    explicit State(Executor executor) : notifier(std::move(executor)) {}
    Notifier notifier;
    std::mutex mutex;
    std::optional<T> value;
  };
  std::shared_ptr<State> state_;
};

}  // namespace fallow::net
