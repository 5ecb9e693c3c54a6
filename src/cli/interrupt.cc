#include "cli/interrupt.h"

#include <ctime>
#include <utility>

namespace fallow::cli {
namespace {

sigset_t watched() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

Interrupt::Interrupt(std::function<void(int)> on_interrupt) {
  const sigset_t set = watched();
  pthread_sigmask(SIG_BLOCK, &set, &mask_before_);
  watcher_ = std::thread([this, on_interrupt = std::move(on_interrupt)] {
    const sigset_t signals = watched();
    const timespec pause{0, 50'000'000};
    while (!ending_) {
      const bool caught = sigtimedwait(&signals, nullptr, &pause) > 0;
      if (caught && !ending_) on_interrupt(++count_);
    }
  });
}

Interrupt::~Interrupt() {
  ending_ = true;
  // Wakes the watcher at once: a command's end must not wait for its pause. The signal is blocked
  // and waited for, so it ends nothing.
  pthread_kill(watcher_.native_handle(), SIGTERM);  // NOLINT(bugprone-bad-signal-to-kill-thread)
  watcher_.join();
  pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
}

}  // namespace fallow::cli
