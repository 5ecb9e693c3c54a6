#include "runtime/init/first_process.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <string>

#include "runtime/init/reach.h"
#include "tunnel/mux.h"

namespace fallow::init {
namespace {

// clone3 does not exist: C libraries then start threads with clone, whose flags a filter can read.
// Most kinds' own filter says so too; gVisor's knows "not permitted" only, which no library takes
// for an answer, so there this one alone stands between the command and clone3.
bool forbid_clone3() {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{static_cast<unsigned short>(sizeof(program) / sizeof(program[0])),
                          program};
  return ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) == 0;
}

// What is inherited beside the three standard descriptors is nobody else's.
void close_others(int kept) {
  for (int fd = 3; fd < 16; ++fd) {
    if (fd != kept) ::close(fd);
  }
}

void read_nothing() {
  const int null = ::open("/dev/null", O_RDWR);
  if (null < 0) return;
  ::dup2(null, STDIN_FILENO);
  if (null != STDIN_FILENO) ::close(null);
}

// Joined to `connection`, or to nothing.
[[noreturn]] void become_command(char** command, const sigset_t& signals, int connection) {
  ::sigprocmask(SIG_SETMASK, &signals, nullptr);
  if (connection < 0) {
    read_nothing();
  } else {
    ::fcntl(connection, F_SETFL, 0);  // it waits for what it reads
    ::dup2(connection, STDIN_FILENO);
    ::dup2(connection, STDOUT_FILENO);
  }
  close_others(-1);
  ::setsid();
  ::execvp(command[0], command);
  std::fprintf(stderr, "fallow-init: %s: %s\n", command[0], std::strerror(errno));
  ::_exit(kNotFoundCode);
}

void serve(int connection) {
  const pid_t child = ::fork();
  if (child == 0) {
    read_nothing();
    close_others(connection);
    ::setsid();
    ::_exit(serve_tunnel(connection));
  }
  if (child < 0) {
    tunnel::Mux mux(tunnel::Side::kSandbox);
    mux.say_goodbye(std::string("no process can be started in the sandbox: ") +
                    std::strerror(errno));
    std::string farewell;
    mux.take_output(farewell, 1);
    (void)!::send(connection, farewell.data(), farewell.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  ::close(connection);
}

}  // namespace

int code_of(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : kSignalBase + WTERMSIG(status);
}

bool take_connection(int door, int& connection) {
  char letter = 0;
  iovec data{&letter, 1};
  alignas(cmsghdr) char space[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = space;
  message.msg_controllen = sizeof(space);
  connection = -1;
  const ssize_t n = ::recvmsg(door, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header != nullptr && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
    std::memcpy(&connection, CMSG_DATA(header), sizeof(connection));
  }
  return n > 0;
}

int be_first(int tie, bool is_joined, char** command) {
  // Nobody inside may trace it or read its memory and descriptors.
  ::prctl(PR_SET_DUMPABLE, 0);
  if (!forbid_clone3()) return kBrokenCode;
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

  pid_t child = -1;
  const auto begin = [&](int connection) {
    child = ::fork();
    if (child == 0) become_command(command, before, connection);
    return child > 0;
  };
  if (!is_joined && !begin(-1)) return kBrokenCode;
  int door = STDIN_FILENO;
  while (true) {
    // A negative one is passed over.
    pollfd polled[3] = {{ended, POLLIN, 0}, {tie, POLLIN, 0}, {door, POLLIN, 0}};
    if (::poll(polled, 3, -1) < 0 && errno != EINTR) return kBrokenCode;
    if (polled[1].revents != 0) return kSignalBase + SIGKILL;
    int connection = -1;
    if (polled[2].revents != 0 && !take_connection(door, connection)) door = -1;
    if (connection >= 0 && !is_joined) {
      serve(connection);
    } else if (connection >= 0) {
      if (child < 0 && !begin(connection)) return kBrokenCode;
      ::close(connection);
    }
    signalfd_siginfo info{};
    if (polled[0].revents != 0 && ::read(ended, &info, sizeof(info)) < 0) return kBrokenCode;
    int status = 0;
    for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
      if (pid == child) return code_of(status);
    }
  }
}

}  // namespace fallow::init
