// DiskPool: threads for what waits on the local disk, so that I/O threads never do.
//
// Owner: Server; outlives the API. run() on any I/O thread.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

#include "base/bounded_queue.h"
#include "net/deadline.h"
#include "net/notifier.h"
#include "net/task.h"
#include "server/problem.h"

namespace fallow::server {

class DiskPool {
 public:
  explicit DiskPool(std::size_t thread_count, std::size_t jobs_waiting_max = 4'096);
  // stop(), if that was not called.
  ~DiskPool();
  DiskPool(const DiskPool&) = delete;
  DiskPool& operator=(const DiskPool&) = delete;

  // Does what was accepted and ends the threads; from now on run() is refused. Idempotent, from the
  // owner's thread.
  void stop();

  // Jobs that no thread has taken yet. Any thread.
  std::size_t waiting() const { return jobs_.size(); }

  // `work` on a thread of the pool, while the caller waits: it may refer to the caller's variables.
  // 503 busy when too much waits already.
  template <class T>
  net::Task<Answer<T>> run(net::Executor executor, std::function<Answer<T>()> work) {
    std::optional<Answer<T>> answer;
    Answer<void> done = co_await run_any(executor, [&] { answer.emplace(work()); });
    if (!done) co_return tl::unexpected(std::move(done).error());
    co_return std::move(*answer);
  }

 private:
  // run() for any type: what waits is the same for all, and compiled once.
  net::Task<Answer<void>> run_any(net::Executor executor, std::function<void()> work);
  void work_off();

  BoundedQueue<std::function<void()>> jobs_;
  std::vector<std::thread> threads_;
};

}  // namespace fallow::server
