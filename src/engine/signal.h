// Signal: wakes one sleeping thread. Raising it any number of times before the sleeper looks is the
// same as raising it once; a raise is never lost.
//
// Owner: whoever joins the threads. Any number of threads raise; one waits. The waiter looks for
// work after wait_for(), the raiser makes the work before raise().
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>

namespace fallow::engine {

class Signal {
 public:
  void raise() {
    // Most raises find it raised already: one atomic instruction on the hot path.
    if (raised_.exchange(true)) return;
    { const std::lock_guard lock(mutex_); }
    ready_.notify_one();
  }

  // Sleeps until raised or `limit` has passed; lowers it. True when it was raised.
  bool wait_for(std::chrono::microseconds limit) {
    if (!raised_.load()) {
      std::unique_lock lock(mutex_);
      ready_.wait_for(lock, limit, [this] { return raised_.load(); });
    }
    return raised_.exchange(false);
  }

 private:
  std::atomic<bool> raised_ = false;
  std::mutex mutex_;
  std::condition_variable ready_;
};

}  // namespace fallow::engine
