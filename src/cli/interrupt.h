// Ctrl-C as something a command can count instead of dying of it.
//
// One at a time per process; made before any other thread, so that all of them inherit the blocked
// signals. The watcher calls `on_interrupt` on a thread of its own with 1, 2, 3 ... for every
// SIGINT or SIGTERM.
#pragma once

#include <atomic>
#include <csignal>
#include <functional>
#include <thread>

namespace fallow::cli {

class Interrupt {
 public:
  explicit Interrupt(std::function<void(int)> on_interrupt);
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  int count() const { return count_.load(); }

 private:
  std::atomic<int> count_ = 0;
  std::atomic<bool> ending_ = false;
  sigset_t mask_before_{};
  std::thread watcher_;
};

}  // namespace fallow::cli
