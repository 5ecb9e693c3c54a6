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

constexpr std::size_t kErrBytesMax = 4096;
constexpr int kGivenFd = 3;
constexpr std::int64_t kAskMs = 200;

// `err`: where its error output goes, `given`: its descriptor 3; null: nowhere, none.
Result<Child> spawn(std::vector<std::string> words, std::vector<std::string> environment,
                    const Fd* err, const Fd* given) {
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
  if (err != nullptr) {
    ::posix_spawn_file_actions_adddup2(&actions, err->get(), STDERR_FILENO);
  } else {
    ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  }
  if (given != nullptr) {
    ::posix_spawn_file_actions_adddup2(&actions, given->get(), kGivenFd);
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

// Ends it and all of its session; it may be stuck in a driver, where no signal reaches it: waits a
// moment, not for ever.
void end_program(int pid) {
  ::kill(-pid, SIGKILL);
  for (int tries = 0; tries < 100 && ::waitpid(pid, nullptr, WNOHANG) == 0; ++tries) {
    ::usleep(10'000);
  }
}

// Takes what there is to read; closes `from` at its end.
void take(Fd& from, std::string& to, std::size_t bytes_max, bool keep_end) {
  std::array<char, 4096> buffer{};
  const ssize_t n = ::read(from.get(), buffer.data(), buffer.size());
  if (n < 0 && errno == EINTR) return;
  if (n <= 0) {
    from.reset();
    return;
  }
  const auto size = static_cast<std::size_t>(n);
  if (keep_end) {
    to.append(buffer.data(), size);
    if (to.size() > bytes_max) to.erase(0, to.size() - bytes_max);
  } else {
    to.append(buffer.data(), std::min(bytes_max - to.size(), size));
  }
}

Result<ProgramOutput> follow(Child child, Fd err, const std::string& name, const ProgramRun& run) {
  child.in.reset();
  ProgramOutput output;
  const std::int64_t until = monotonic_ms() + run.limit.value / 1000;
  std::int64_t ask_at = run.go_on ? monotonic_ms() + kAskMs : until;
  while (child.out || err) {
    std::array<pollfd, 2> readable{{{child.out.get(), POLLIN, 0}, {err.get(), POLLIN, 0}}};
    const std::int64_t left = std::max<std::int64_t>(std::min(until, ask_at) - monotonic_ms(), 0);
    if (::poll(readable.data(), readable.size(),
               static_cast<int>(std::min<std::int64_t>(left, 60'000))) > 0) {
      if (readable[0].revents != 0) take(child.out, output.out, run.bytes_max, false);
      if (readable[1].revents != 0) take(err, output.err, kErrBytesMax, true);
    }
    const std::int64_t now = monotonic_ms();
    if (now >= until) {
      end_program(child.pid);
      return fail(ErrorCode::kTimedOut, "{} did not answer within {} s", name,
                  run.limit.value / 1'000'000);
    }
    if (!run.go_on || now < ask_at) continue;
    if (!run.go_on()) {
      end_program(child.pid);
      return fail(ErrorCode::kTimedOut, "{} was ended", name);
    }
    ask_at = now + kAskMs;
  }
  int status = 0;
  while (::waitpid(child.pid, &status, 0) < 0 && errno == EINTR) {
  }
  output.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return output;
}

}  // namespace

Result<Child> start_program(std::vector<std::string> words, std::vector<std::string> environment) {
  return spawn(std::move(words), std::move(environment), nullptr, nullptr);
}

Result<ProgramOutput> run_program(std::vector<std::string> words, Duration limit,
                                  std::size_t bytes_max) {
  const std::string name = words[0];
  ProgramRun run;
  run.limit = limit;
  run.bytes_max = bytes_max;
  FALLOW_ASSIGN(Child child, spawn(std::move(words), {}, nullptr, nullptr));
  return follow(std::move(child), Fd(), name, run);
}

Result<ProgramOutput> run_program(std::vector<std::string> words, const ProgramRun& run) {
  const std::string name = words[0];
  std::array<int, 2> errors{};
  if (::pipe2(errors.data(), O_CLOEXEC) != 0) {
    return tl::unexpected(file_error("make", "a pipe", errno));
  }
  Fd err(errors[0]);
  Fd err_end(errors[1]);
  FALLOW_ASSIGN(Child child, spawn(std::move(words), run.environment, &err_end, run.given));
  err_end.reset();
  return follow(std::move(child), std::move(err), name, run);
}

}  // namespace fallow::agent
