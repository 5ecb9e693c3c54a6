#include "bin/shutdown.h"

#include <unistd.h>

#include <csignal>

namespace fallow::bin {
namespace {

sigset_t ending_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

}  // namespace

Shutdown::Shutdown() {
  const sigset_t set = ending_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

void Shutdown::wait() {
  const sigset_t set = ending_signals();
  int signal = 0;
  while (sigwait(&set, &signal) != 0) {
  }
}

void Shutdown::wake() { ::kill(::getpid(), SIGTERM); }

}  // namespace fallow::bin
