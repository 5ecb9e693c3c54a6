#include "net/timer.h"

#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <utility>

#include "net/await_tuple.h"
#include "net/deadline.h"
#include "net/notifier.h"

namespace fallow::net {
struct Timer::Impl {
  explicit Impl(const Executor& executor) : timer(executor) {}
  boost::asio::steady_timer timer;
  std::function<void()> fire;
  std::uint64_t start_count = 0;  // tells an expiry that was already queued from the current one
};

Timer::Timer(Executor executor) : executor_(std::move(executor)) {}

Timer::~Timer() { cancel(); }

void Timer::start(Duration delay, std::function<void()> fire) {
  if (!impl_) impl_ = std::make_shared<Impl>(executor_);
  impl_->fire = std::move(fire);
  const std::uint64_t started = ++impl_->start_count;
  impl_->timer.expires_at(deadline_after(delay));
  impl_->timer.async_wait(
      [weak = std::weak_ptr<Impl>(impl_), started](const boost::system::error_code& error) {
        const auto impl = weak.lock();
        if (error || !impl || impl->start_count != started) return;
        const auto due = std::exchange(impl->fire, nullptr);
        due();
      });
}

void Timer::cancel() {
  if (!impl_) return;
  ++impl_->start_count;
  impl_->fire = nullptr;
  impl_->timer.cancel();
}

Task<void> sleep_for(Duration delay) {
  const Executor executor = co_await boost::asio::this_coro::executor;
  boost::asio::steady_timer timer(executor, deadline_after(delay));
  co_await timer.async_wait(kAwaitTuple);
}

// Holds no timer of its own: a handle may be dropped by another thread, even after the pool.
struct Notifier::State {
  explicit State(Executor e) : executor(std::move(e)) {}
  Executor executor;
  std::atomic<bool> notified{false};
  boost::asio::steady_timer* waiting = nullptr;  // on the executor's thread
};

Notifier::Notifier(Executor executor) : state_(std::make_shared<State>(std::move(executor))) {}

void Notifier::notify() const {
  if (state_->notified.exchange(true)) return;
  boost::asio::post(state_->executor, [state = state_] {
    if (state->waiting != nullptr) state->waiting->cancel();
  });
}

Task<bool> Notifier::wait(Duration timeout) const {
  const std::shared_ptr<State> state = state_;
  const Deadline deadline = deadline_after(timeout);
  boost::asio::steady_timer timer(state->executor);
  // Also when the coroutine is destroyed while it waits.
  struct Waiting {
    State& state;
    ~Waiting() { state.waiting = nullptr; }
  } const waiting{*state};
  state->waiting = &timer;
  // The cancel that notify() posts may arrive late and wake the next wait: hence the loop.
  while (!state->notified.exchange(false)) {
    if (std::chrono::steady_clock::now() >= deadline) co_return false;
    timer.expires_at(deadline);
    co_await timer.async_wait(kAwaitTuple);
  }
  co_return true;
}

}  // namespace fallow::net
