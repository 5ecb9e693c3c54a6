#include "server/disk_pool.h"

#include <algorithm>

namespace fallow::server {
namespace {

constexpr std::chrono::seconds kIdleMax{60};

}  // namespace

DiskPool::DiskPool(std::size_t thread_count, std::size_t jobs_waiting_max)
    : jobs_(jobs_waiting_max) {
  for (std::size_t i = 0; i < std::max<std::size_t>(thread_count, 1); ++i) {
    threads_.emplace_back([this] { work_off(); });
  }
}

DiskPool::~DiskPool() { stop(); }

void DiskPool::stop() {
  jobs_.close();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

net::Task<Answer<void>> DiskPool::run_any(net::Executor executor, std::function<void()> work) {
  const auto busy = [] {
    return refuse(503, "busy", "the server's disk is busy; try again in a second");
  };
  const net::OneShot<bool> done(executor);
  const bool queued = jobs_.try_push([&work, done] {
    work();
    done.set(true);
  });
  if (!queued) co_return busy();
  const Result<bool> answer = co_await done.wait(net::kForever);
  if (!answer) co_return busy();
  co_return Answer<void>();
}

void DiskPool::work_off() {
  while (true) {
    const std::vector<std::function<void()>> jobs = jobs_.pop_many(1, kIdleMax);
    for (const std::function<void()>& job : jobs) job();
    if (jobs.empty() && jobs_.is_closed()) return;
  }
}

}  // namespace fallow::server
