#include "runtime/gvisor.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "runtime/oci_bundle.h"
#include "runtime/runc.h"
#include "runtime/sandbox_init.h"

namespace fallow::runtime {
namespace {

constexpr std::size_t kWishesMax = 16;  // beyond that the last ones say nothing new
constexpr std::string_view kSandboxId = "workload";

}  // namespace

std::vector<std::string> GvisorSandbox::words() const {
  return {launch_.tool, "--root=" + folders_.stage + "/state", "--log=" + bundle_ + "/log",
          "--platform=systrap",
          launch_.spec.network == v1::NETWORK_NONE ? "--network=none" : "--network=sandbox",
          // The supervisor's groups hold all of its parts already.
          "--ignore-cgroups",
          // The root is read-only, and what is written elsewhere is to be found on the host.
          "--overlay2=none", "--oci-seccomp"};
}

Status GvisorSandbox::start() {
  if (!cgroup_.limits_memory()) {
    return fail(ErrorCode::kFailed,
                "gVisor needs the memory controller of control groups, which the agent may not use "
                "here");
  }
  FALLOW_TRY(check_process_limit());
  OciOptions options;
  options.read_only_devices = false;
  options.leaves_clone3 = true;
  options.network_path = network_path();
  if (network_ != nullptr) FALLOW_TRY(network_->hide_from_runsc());
  FALLOW_ASSIGN(bundle_, make_oci_bundle(launch_, folders_, options));
  watch_ = Fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!watch_ ||
      ::inotify_add_watch(watch_.get(), bundle_.c_str(), IN_CLOSE_WRITE | IN_MOVED_TO) < 0) {
    return tl::unexpected(file_error("watch", bundle_, errno));
  }
  Start start;
  start.words = words();
  for (const std::string& word : {std::string("run"), "--bundle=" + bundle_,
                                  "--pid-file=" + bundle_ + "/pid", std::string(kSandboxId)}) {
    start.words.push_back(word);
  }
  return run(std::move(start));
}

void GvisorSandbox::follow() {
  std::array<char, 4096> buffer{};
  while (::read(watch_.get(), buffer.data(), buffer.size()) > 0) {
  }
  if (::access((bundle_ + "/pid").c_str(), F_OK) == 0) begun_ = true;
}

void GvisorSandbox::child_ended(pid_t pid, int status) {
  if (pid == tool_) {
    follow();
    tool_ = -1;
    status_ = status;
    over_ = true;
  } else if (pid == helper_) {
    helper_ = -1;
    ask_next();
  }
}

void GvisorSandbox::ask(std::vector<std::string> wish) {
  if (wishes_.size() >= kWishesMax) return;
  wishes_.push_back(std::move(wish));
  if (helper_ < 0) ask_next();
}

void GvisorSandbox::ask_next() {
  if (wishes_.empty() || over_) return;
  std::vector<std::string> all = words();
  for (std::string& word : wishes_.front()) all.push_back(std::move(word));
  wishes_.pop_front();
  std::vector<char*> argv;
  for (std::string& word : all) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::string path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
  const std::array<char*, 2> envp{path.data(), nullptr};
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    ::posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
  }
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t none;
  ::sigemptyset(&none);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  if (::posix_spawn(&helper_, argv[0], &actions, &attributes, argv.data(), envp.data()) != 0) {
    helper_ = -1;
  }
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
}

void GvisorSandbox::ask_to_end() {
  if (!begun_) {
    kill();
    return;
  }
  // What is paused takes no signals.
  if (suspended_) set_suspended(false);
  ask({"kill", "--all", std::string(kSandboxId), "TERM"});
}

void GvisorSandbox::set_suspended(bool suspended) {
  if (!begun_) return;
  suspended_ = suspended;
  ask({suspended ? "pause" : "resume", std::string(kSandboxId)});
}

SandboxEnd GvisorSandbox::end(std::string_view err_head) const {
  SandboxEnd end;
  if (!begun_) {
    end.start_error = err_head.substr(0, err_head.find('\n'));
    if (end.start_error.empty()) end.start_error = oci_error(bundle_ + "/log");
    return end;
  }
  if (!status_ || WIFSIGNALED(*status_)) return end;
  end.exit_code = WEXITSTATUS(*status_);
  if (*end.exit_code == kNotFoundCode) end.command_error = init_error(err_head);
  return end;
}

}  // namespace fallow::runtime
