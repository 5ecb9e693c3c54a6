// The first process of every sandbox, a static program of its own: it runs the command as its
// child, reaps whatever is left behind, and ends with the command's exit code (128 + N for signal
// N). The end of process 1 is the end of everything in the sandbox.
//
//   init TIE COMMAND...
//
// TIE is the number of a descriptor, or "-": the reading end of a pipe whose writing end only the
// supervisor holds. When that closes, the supervisor is dead, and the sandbox ends with it: nothing
// runs that nobody watches. A command that cannot be run gives the exit code 127 and one line.
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

constexpr int kSignalBase = 128;
constexpr int kNotFoundCode = 127;
constexpr int kBrokenCode = 126;

[[noreturn]] void run(char** command, const sigset_t& signals) {
  ::sigprocmask(SIG_SETMASK, &signals, nullptr);
  // What init inherited beside the three standard ones is not the command's.
  for (int fd = 3; fd < 16; ++fd) ::close(fd);
  ::setsid();
  ::execvp(command[0], command);
  std::fprintf(stderr, "fallow-init: %s: %s\n", command[0], std::strerror(errno));
  ::_exit(kNotFoundCode);
}

int code_of(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : kSignalBase + WTERMSIG(status);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return kBrokenCode;
  const int tie = std::strcmp(argv[1], "-") == 0 ? -1 : std::atoi(argv[1]);
  // Nobody inside may trace it or read its memory and descriptors.
  ::prctl(PR_SET_DUMPABLE, 0);
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, &before);
  ::sigemptyset(&before);
  sigset_t child_signal;
  ::sigemptyset(&child_signal);
  ::sigaddset(&child_signal, SIGCHLD);
  const int ended = ::signalfd(-1, &child_signal, SFD_CLOEXEC);
  if (ended < 0) return kBrokenCode;

  const pid_t child = ::fork();
  if (child < 0) return kBrokenCode;
  if (child == 0) run(argv + 2, before);
  while (true) {
    pollfd polled[2] = {{ended, POLLIN, 0}, {tie, POLLIN, 0}};  // a negative one is passed over
    if (::poll(polled, 2, -1) < 0 && errno != EINTR) return kBrokenCode;
    if (polled[1].revents != 0) return kSignalBase + SIGKILL;
    signalfd_siginfo info{};
    if (polled[0].revents != 0 && ::read(ended, &info, sizeof(info)) < 0) return kBrokenCode;
    int status = 0;
    for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
      if (pid == child) return code_of(status);
    }
  }
}
