#include "runtime/supervisor_process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "base/number.h"
#include "runtime/launch_file.h"

namespace fallow::runtime {
namespace {

constexpr std::size_t kPidBytesMax = 64;
// One that is killed is gone within this, unless the kernel itself is stuck.
constexpr int kEndTries = 2'000;  // of 5 ms

}  // namespace

Result<pid_t> spawn_supervisor(std::vector<std::string> words, const std::string& folder,
                               const Fd& lock, const Fd& secrets) {
  words.push_back(folder);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const std::array<char*, 1> envp{nullptr};

  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  const std::string words_file = folder + "/supervisor.log";
  ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, words_file.c_str(),
                                     O_WRONLY | O_CREAT | O_APPEND, 0600);
  ::posix_spawn_file_actions_adddup2(&actions, lock.get(), kLockFd);
  if (secrets) ::posix_spawn_file_actions_adddup2(&actions, secrets.get(), kSecretsFd);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t signals;
  ::sigemptyset(&signals);
  ::posix_spawnattr_setsigmask(&attributes, &signals);
  ::sigfillset(&signals);
  ::posix_spawnattr_setsigdefault(&attributes, &signals);
  ::posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, argv[0], &actions, &attributes, argv.data(), envp.data());
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (error != 0) return tl::unexpected(file_error("run", words[0], error));
  return pid;
}

std::optional<pid_t> supervisor_pid(const std::string& folder) {
  const auto text = read_file(folder + "/pid", kPidBytesMax);
  if (!text) return std::nullopt;
  const auto pid = parse_number<pid_t>(std::string_view(*text).substr(0, text->find('\n')));
  return pid && *pid > 0 ? pid : std::nullopt;
}

void end_supervisor(const std::string& folder, const Fd& lock) {
  if (const auto fence = open_file(folder + "/fence", O_WRONLY)) {
    // One that has not come to write its pid down finds a fence that has passed.
    (void)write_all_at(*fence, encode_time(Time{}), 0, "fence").has_value();
  }
  for (int tries = 0; tries < kEndTries; ++tries) {
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return;
    // While the lock is held the pid is its own.
    if (const auto pid = supervisor_pid(folder)) ::kill(*pid, SIGKILL);
    ::usleep(5'000);
  }
}

}  // namespace fallow::runtime
