#include "net/io_pool.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <thread>
#include <vector>

#include "base/check.h"

namespace fallow::net {
namespace {

// Suspended coroutines of one loop may own sockets of another, so all loops drop theirs before any
// loop is freed: shutdown() is protected in the base for exactly such derived contexts.
class Loop : public boost::asio::io_context {
 public:
  Loop() : io_context(1), work_(get_executor()) {}
  ~Loop() = default;
  using execution_context::shutdown;

 private:
  boost::asio::executor_work_guard<executor_type> work_;
};

}  // namespace

struct IoPool::Impl {
  std::vector<std::unique_ptr<Loop>> loops;
  std::vector<std::thread> threads;
  std::atomic<std::size_t> turn{0};
};

IoPool::IoPool(std::size_t thread_count) : impl_(std::make_unique<Impl>()) {
  thread_count = std::max<std::size_t>(thread_count, 1);
  for (std::size_t i = 0; i < thread_count; ++i) impl_->loops.push_back(std::make_unique<Loop>());
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  for (auto& loop : impl_->loops) {
    impl_->threads.emplace_back([&loop = *loop] {
      try {
        loop.run();
      } catch (const std::exception& e) {
        FALLOW_CHECK(false, "an exception left the event loop: {}", e.what());
      }
    });
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

IoPool::~IoPool() {
  stop();
  for (auto& loop : impl_->loops) loop->shutdown();
}

Executor IoPool::next() { return executor(impl_->turn.fetch_add(1) % size()); }

Executor IoPool::executor(std::size_t index) { return impl_->loops.at(index)->get_executor(); }

std::size_t IoPool::size() const { return impl_->loops.size(); }

void IoPool::stop() {
  for (auto& loop : impl_->loops) loop->stop();
  for (auto& thread : impl_->threads) {
    if (thread.joinable()) thread.join();
  }
}

void spawn(const Executor& executor, Task<void> task) {
  // co_spawn alone would run the task's beginning inside this call when it is made on the
  // executor's own thread: callers may hold locks.
  boost::asio::post(executor, [executor, task = std::move(task)]() mutable {
    boost::asio::co_spawn(executor, std::move(task), [](const std::exception_ptr& failure) {
      if (!failure) return;
      try {
        std::rethrow_exception(failure);
      } catch (const std::exception& e) {
        FALLOW_CHECK(false, "an exception left a coroutine: {}", e.what());
      }
    });
  });
}

Task<Status> run_on(Executor executor, Task<Status> task) {
  co_return co_await boost::asio::co_spawn(executor, std::move(task), boost::asio::use_awaitable);
}

void post(const Executor& executor, std::function<void()> function) {
  boost::asio::post(executor, std::move(function));
}

}  // namespace fallow::net
