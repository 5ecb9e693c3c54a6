#include "agent/program.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <ctime>

#include "base/file.h"

namespace fallow::agent {
namespace {

std::int64_t monotonic_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

}  // namespace

Result<Child> start_program(std::vector<std::string> words, std::vector<std::string> environment,
                            ErrorOutput errors) {
  std::array<int, 2> input{};
  std::array<int, 2> output{};
  // Of sockets a write to a program that is gone can be an error instead of a signal.
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, input.data()) != 0) {
    return tl::unexpected(file_error("make", "a pair of sockets", errno));
  }
  const Fd input_end(input[0]);
  Child child{-1, Fd(input[1]), Fd()};
  if (::pipe2(output.data(), O_CLOEXEC) != 0) {
    return tl::unexpected(file_error("make", "a pipe", errno));
  }
  child.out = Fd(output[0]);
  const Fd output_end(output[1]);

  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, input_end.get(), STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, output_end.get(), STDOUT_FILENO);
  if (errors == ErrorOutput::kWithOutput) {
    ::posix_spawn_file_actions_adddup2(&actions, output_end.get(), STDERR_FILENO);
  } else {
    ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  }
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t none;
  ::sigemptyset(&none);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
  const auto pointers = [](std::vector<std::string>& texts) {
    std::vector<char*> list;
    list.reserve(texts.size() + 1);
    for (std::string& text : texts) list.push_back(text.data());
    list.push_back(nullptr);
    return list;
  };
  environment.emplace_back("PATH=/usr/local/bin:/usr/bin:/bin");
  const std::vector<char*> argv = pointers(words);
  const std::vector<char*> envp = pointers(environment);
  const int error =
      ::posix_spawn(&child.pid, argv[0], &actions, &attributes, argv.data(), envp.data());
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (error != 0) return tl::unexpected(file_error("run", words[0], error));
  return child;
}

Result<ProgramOutput> run_program(std::vector<std::string> words, Duration limit,
                                  std::size_t bytes_max, ErrorOutput errors) {
  FALLOW_ASSIGN(Child child, start_program(words, {}, errors));
  child.in.reset();
  const Fd& read_end = child.out;
  const int pid = child.pid;

  ProgramOutput output;
  const std::int64_t until = monotonic_ms() + limit.value / 1000;
  bool timed_out = false;
  while (true) {
    pollfd readable{read_end.get(), POLLIN, 0};
    const std::int64_t left = std::max<std::int64_t>(until - monotonic_ms(), 0);
    const int ready = ::poll(&readable, 1, static_cast<int>(std::min<std::int64_t>(left, 60'000)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0 && left == 0) {
      timed_out = true;
      break;
    }
    if (ready <= 0) continue;
    std::array<char, 4096> buffer{};
    const ssize_t n = ::read(read_end.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    const std::size_t room = bytes_max - output.out.size();
    output.out.append(buffer.data(), std::min(room, static_cast<std::size_t>(n)));
  }
  if (timed_out) {
    ::kill(pid, SIGKILL);
    // It may be stuck in a driver, where no signal reaches it: wait a moment, not for ever.
    for (int tries = 0; tries < 100 && ::waitpid(pid, nullptr, WNOHANG) == 0; ++tries) {
      ::usleep(10'000);
    }
    return fail(ErrorCode::kTimedOut, "{} did not answer within {} s", words[0],
                limit.value / 1'000'000);
  }
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  output.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return output;
}

}  // namespace fallow::agent
