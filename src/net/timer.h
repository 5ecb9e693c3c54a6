// Timer: one callback after a while, and sleeping, without Asio's headers in everybody's way.
#pragma once

#include <functional>
#include <memory>

#include "base/types.h"
#include "net/task.h"

namespace fallow::net {

// Owned by an object that lives on one executor's thread, and used on that thread only. Costs one
// allocation when first started. Destroying it cancels it.
class Timer {
 public:
  explicit Timer(Executor executor);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // Calls `fire` once after `delay`, on the executor's thread. Replaces an earlier start().
  void start(Duration delay, std::function<void()> fire);
  void cancel();

 private:
  struct Impl;
  Executor executor_;
  std::shared_ptr<Impl> impl_;
};

// Resumes after `delay`, on the awaiting coroutine's executor.
Task<void> sleep_for(Duration delay);

}  // namespace fallow::net
