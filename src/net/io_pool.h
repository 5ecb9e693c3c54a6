// IoPool: the threads that own connections, one event loop each.
//
// Everything that belongs to one connection runs on one of these threads, so connections need no
// strands. Made by bin/ (or a test), handed to servers and clients, and destroyed after them.
#pragma once

#include <cstddef>
#include <functional>
#include <future>
#include <memory>
#include <utility>

#include "base/result.h"
#include "net/task.h"

namespace fallow::net {

class IoPool {
 public:
  // Starts thread_count threads (at least one). They block all signals: those are main's.
  explicit IoPool(std::size_t thread_count);
  // Stops, joins, and destroys whatever coroutines still wait. Not from one of its own threads.
  ~IoPool();
  IoPool(const IoPool&) = delete;
  IoPool& operator=(const IoPool&) = delete;

  // The threads in turn. Any thread.
  Executor next();
  // The thread numbered `index` < size(). Any thread.
  Executor executor(std::size_t index);
  std::size_t size() const;

  // Ends the loops and joins the threads; waiting coroutines stay suspended for ever. Once.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Runs the task on the executor, never inside this call; nobody awaits it. An exception that leaves
// it is a bug and aborts. Any thread.
void spawn(const Executor& executor, Task<void> task);

// Runs the task on another thread's executor and resumes on the awaiting coroutine's own.
Task<Status> run_on(Executor executor, Task<Status> task);

// Runs the function on the executor, never inside this call. Any thread.
void post(const Executor& executor, std::function<void()> function);

// Runs the task on the executor and waits for its value, for the program's blocking edges and
// tests. Never from a thread of the pool. The pool must not be stopped meanwhile.
template <class T>
T block_on(const Executor& executor, Task<T> task) {
  std::promise<T> promise;
  auto future = promise.get_future();
  auto deliver = [](Task<T> inner, std::promise<T> outer) -> Task<void> {
    T value = co_await std::move(inner);
    outer.set_value(std::move(value));
  };
  spawn(executor, deliver(std::move(task), std::move(promise)));
  return future.get();
}

}  // namespace fallow::net
