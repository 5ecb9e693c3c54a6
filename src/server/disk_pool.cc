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

void DiskPool::work_off() {
  while (true) {
    const std::vector<std::function<void()>> jobs = jobs_.pop_many(1, kIdleMax);
    for (const std::function<void()>& job : jobs) job();
    if (jobs.empty() && jobs_.is_closed()) return;
  }
}

}  // namespace fallow::server
