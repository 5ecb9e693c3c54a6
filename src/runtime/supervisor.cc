#include "runtime/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "runtime/cgroup.h"
#include "runtime/launch_file.h"
#include "runtime/log_file.h"
#include "runtime/processes.h"
#include "runtime/sandbox.h"

namespace fallow::runtime {
namespace {

using agent::ExitCause;

constexpr std::size_t kSpecBytesMax = std::size_t{64} << 20;
constexpr std::size_t kStatusBytesMax = 64 << 10;
// How often the limits that the kernel does not hold are looked at; a look that takes long is
// taken less often.
constexpr Duration kWatchMin = milliseconds(100);
constexpr Duration kWatchMax = seconds(5);
constexpr int kWatchShare = 20;
// After the sandbox is gone, its processes are given this long to be reaped.
constexpr int kReapMsMax = 5'000;
// A shell's and bubblewrap's way to say "ended by signal N".
constexpr int kSignalBase = 128;
constexpr int kNotFoundCode = 127;
constexpr int kStopRoundsMax = 100;

// The number after `key` in bubblewrap's status lines, as in { "child-pid": 42, ... }.
std::optional<std::uint64_t> status_number(std::string_view text, std::string_view key) {
  const std::size_t at = text.find(key);
  if (at == std::string_view::npos) return std::nullopt;
  std::size_t begin = text.find(':', at + key.size());
  if (begin == std::string_view::npos) return std::nullopt;
  begin = text.find_first_not_of(' ', begin + 1);
  if (begin == std::string_view::npos) return std::nullopt;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data() + begin, text.data() + text.size(), number);
  // A number at the very end may still go on.
  if (error != std::errc() || end == text.data() + text.size()) return std::nullopt;
  return number;
}

Fd open_timer() { return Fd(::timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC)); }

void set_timer(const Fd& timer, Time at) {
  const std::int64_t us = std::max<std::int64_t>(at.us, 1);
  itimerspec when{};
  when.it_value.tv_sec = us / 1'000'000;
  when.it_value.tv_nsec = us % 1'000'000 * 1'000;
  ::timerfd_settime(timer.get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

void drain(const Fd& fd) {
  std::array<char, 512> buffer{};
  while (::read(fd.get(), buffer.data(), buffer.size()) > 0) {
  }
}

// The file of the working folder appears whole. Not synced: the machine that forgets it has ended
// the workload, too.
bool publish(const std::string& name, std::string_view bytes) {
  const std::string beside = name + ".new";
  const auto file = open_file(beside, O_WRONLY | O_CREAT | O_TRUNC);
  return file && write_all(*file, bytes, name) && ::rename(beside.c_str(), name.c_str()) == 0;
}

class Supervisor {
 public:
  // `folder` is also the working folder: once the mounts have changed its path may lead elsewhere.
  Supervisor(std::string folder, LaunchFile launch)
      : folder_(std::move(folder)),
        launch_(std::move(launch)),
        cgroup_(launch_.cgroup_parents, cgroup_name(launch_.spec.lease, ::getpid()),
                CgroupLimits{launch_.spec.memory_bytes_max, launch_.spec.processes_max,
                             launch_.spec.cpu_thousandths}) {}

  // Returns when nothing of the workload is left and its end is written down.
  void run();

 private:
  static std::string path(std::string_view name) { return "./" + std::string(name); }
  Status begin();
  void loop();
  void follow_wishes();
  void read_status();
  void check_fence();
  void watch_limits();
  void reap();
  void suspend(bool suspended);
  void ask_to_end() const;
  void kill_all(ExitCause cause, std::string detail);
  void clear_away();
  ExitFile outcome();
  void explain_failed_start(ExitFile& file) const;
  bool is_disk_full() const;

  const std::string folder_;
  const LaunchFile launch_;
  Cgroup cgroup_;

  Fd control_;
  Fd signals_;
  Fd fence_timer_;
  Fd watch_timer_;
  std::vector<Fd> private_folders_;
  SandboxProcess sandbox_;
  std::vector<LogFile> logs_;  // stdout, stderr

  std::string status_;
  std::optional<pid_t> inner_init_;  // the sandbox's process 1
  Fd inner_init_fd_;
  std::uint64_t pid_namespace_ = 0;
  bool suspended_ = false;
  bool reaped_ = false;

  bool killed_ = false;
  // Why we killed it by ourselves; kExited: we did not.
  ExitCause cause_ = ExitCause::kExited;
  std::string detail_;
};

void Supervisor::run() {
  const Status begun = begin();
  if (!begun) {
    cause_ = ExitCause::kStartFailed;
    detail_ = begun.error().message;
  } else {
    loop();
  }
  clear_away();
  publish("exit", encode_exit(outcome()));
  remove_cgroups(launch_.cgroup_parents, cgroup_name(launch_.spec.lease, ::getpid()));
}

Status Supervisor::begin() {
  FALLOW_ASSIGN(control_, open_file(path("control"), O_RDWR | O_NONBLOCK));
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int signal : {SIGCHLD, SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&signals, signal);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  signals_ = Fd(::signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC));
  fence_timer_ = open_timer();
  watch_timer_ = open_timer();
  if (!signals_ || !fence_timer_ || !watch_timer_) {
    return tl::unexpected(file_error("make", "the supervisor's timers", errno));
  }
  // What the sandbox leaves behind becomes our child, so that nothing escapes the reaping.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  for (const std::string_view name : {"work", "out", "tmp"}) {
    FALLOW_ASSIGN(Fd folder, open_file(path(name), O_RDONLY | O_DIRECTORY));
    private_folders_.push_back(std::move(folder));
  }
  FALLOW_ASSIGN(const SandboxFolders folders, make_sandbox_folders(folder_, launch_.uid));
  FALLOW_ASSIGN(sandbox_, launch_sandbox(launch_, folders, cgroup_));
  FALLOW_ASSIGN(LogFile out, LogFile::open(path("stdout"), std::move(sandbox_.out), kLogBytesMax));
  logs_.push_back(std::move(out));
  FALLOW_ASSIGN(LogFile err, LogFile::open(path("stderr"), std::move(sandbox_.err), kLogBytesMax));
  logs_.push_back(std::move(err));
  check_fence();
  set_timer(watch_timer_, boot_time() + kWatchMin);
  return {};
}

void Supervisor::loop() {
  while (!reaped_) {
    std::array<pollfd, 7> polled{{{control_.get(), POLLIN, 0},
                                  {signals_.get(), POLLIN, 0},
                                  {fence_timer_.get(), POLLIN, 0},
                                  {watch_timer_.get(), POLLIN, 0},
                                  {sandbox_.status.get(), POLLIN, 0},
                                  {logs_[0].pipe_fd(), POLLIN, 0},
                                  {logs_[1].pipe_fd(), POLLIN, 0}}};
    if (::poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR) return;
    // First of all, as after a stop of the whole machine: may it still run?
    if (polled[2].revents != 0) check_fence();
    if (polled[4].revents != 0) read_status();
    if (polled[0].revents != 0) follow_wishes();
    for (LogFile& log : logs_) log.pump();
    if (polled[3].revents != 0) watch_limits();
    if (polled[1].revents != 0) reap();
  }
}

void Supervisor::follow_wishes() {
  std::array<char, 64> wishes{};
  ssize_t n = 0;
  while ((n = ::read(control_.get(), wishes.data(), wishes.size())) > 0) {
    for (ssize_t i = 0; i < n; ++i) {
      switch (static_cast<ControlByte>(wishes[static_cast<std::size_t>(i)])) {
        case ControlByte::kSuspend:
          suspend(true);
          break;
        case ControlByte::kResume:
          suspend(false);
          break;
        case ControlByte::kStop:
          ask_to_end();
          suspend(false);
          break;
        case ControlByte::kKill:
          kill_all(ExitCause::kExited, "");
          break;
      }
    }
  }
}

void Supervisor::read_status() {
  std::array<char, 4096> buffer{};
  ssize_t n = 0;
  while ((n = ::read(sandbox_.status.get(), buffer.data(), buffer.size())) > 0) {
    if (status_.size() < kStatusBytesMax)
      status_.append(buffer.data(), static_cast<std::size_t>(n));
  }
  if (n == 0) sandbox_.status.reset();
  if (inner_init_) return;
  const auto pid = status_number(status_, "\"child-pid\"");
  const auto pid_namespace = status_number(status_, "\"pid-namespace\"");
  if (!pid || !pid_namespace) return;
  inner_init_ = static_cast<pid_t>(*pid);
  inner_init_fd_ = Fd(static_cast<int>(::syscall(SYS_pidfd_open, *inner_init_, 0)));
  pid_namespace_ = *pid_namespace;
  publish("started", encode_time(boot_time()));
}

// The agent moves the fence on with every word of the market; when it does not, for whatever
// reason, the market may give the task to another node, so this one must be over by then.
void Supervisor::check_fence() {
  drain(fence_timer_);
  std::optional<Time> fence_at;
  if (const auto bytes = read_file(path("fence"), 64)) fence_at = decode_time(*bytes);
  if (!fence_at || *fence_at <= boot_time()) {
    kill_all(ExitCause::kFenced, "the node was cut off from the market and stopped the workload");
    return;
  }
  set_timer(fence_timer_, *fence_at);
}

void Supervisor::watch_limits() {
  drain(watch_timer_);
  const Time began = boot_time();
  const agent::LaunchSpec& spec = launch_.spec;
  if (is_disk_full()) kill_all(ExitCause::kDiskFull, "it used more disk than it asked for");
  if (spec.memory_bytes_max > 0 && !cgroup_.limits_memory() && inner_init_ &&
      resident_bytes(processes_of(pid_namespace_)) +
              file_system_bytes("/proc/" + std::to_string(*inner_init_) + "/root/dev/shm") >
          spec.memory_bytes_max) {
    kill_all(ExitCause::kOutOfMemory, "it used more memory than it asked for");
  }
  const Duration took = boot_time() - began;
  set_timer(watch_timer_,
            boot_time() + std::clamp(Duration(took.value * kWatchShare), kWatchMin, kWatchMax));
}

void Supervisor::reap() {
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof(info)) == sizeof(info)) {
    // Nobody but the machine's own shutdown ends us politely.
    if (info.ssi_signo != SIGCHLD) kill_all(ExitCause::kLost, "the node was shut down");
  }
  while (true) {
    int status = 0;
    const pid_t pid = ::waitpid(-1, &status, WNOHANG);
    if (pid <= 0) return;
    if (pid == sandbox_.pid) reaped_ = true;
  }
}

void Supervisor::suspend(bool suspended) {
  if (suspended == suspended_) return;
  suspended_ = suspended;
  if (cgroup_.set_frozen(suspended) || pid_namespace_ == 0) return;
  // Until a look finds nobody new: whoever was not stopped yet may have forked.
  std::vector<pid_t> told;
  for (int rounds = 0; rounds < kStopRoundsMax; ++rounds) {
    std::vector<pid_t> processes = processes_of(pid_namespace_);
    if (processes == told) return;
    for (const pid_t pid : processes) ::kill(pid, suspended ? SIGSTOP : SIGCONT);
    told = std::move(processes);
  }
}

void Supervisor::ask_to_end() const {
  if (pid_namespace_ == 0) {
    // Nothing runs yet that could end politely. The whole group: bubblewrap's own child waits for
    // its parent for ever when only that is killed.
    cgroup_.kill();
    ::kill(sandbox_.pid, SIGKILL);
    return;
  }
  for (const pid_t pid : processes_of(pid_namespace_)) {
    if (pid != inner_init_) ::kill(pid, SIGTERM);
  }
}

void Supervisor::kill_all(ExitCause cause, std::string detail) {
  if (reaped_) return;
  killed_ = true;
  if (cause_ == ExitCause::kExited) {
    cause_ = cause;
    detail_ = std::move(detail);
  }
  cgroup_.kill();
  // The end of its process 1 is the end of everything in the namespace.
  if (inner_init_fd_) {
    ::syscall(SYS_pidfd_send_signal, inner_init_fd_.get(), SIGKILL, nullptr, 0);
  } else if (sandbox_.pid > 0) {
    ::kill(sandbox_.pid, SIGKILL);
  }
  // What is frozen cannot die.
  cgroup_.set_frozen(false);
}

void Supervisor::clear_away() {
  cgroup_.kill();
  if (inner_init_fd_) {
    ::syscall(SYS_pidfd_send_signal, inner_init_fd_.get(), SIGKILL, nullptr, 0);
    pollfd gone{inner_init_fd_.get(), POLLIN, 0};
    ::poll(&gone, 1, kReapMsMax);
  }
  while (::waitpid(-1, nullptr, WNOHANG) > 0) {
  }
  if (sandbox_.status) read_status();
  // Whoever wrote is gone, so this ends.
  for (LogFile& log : logs_) {
    const Time until = boot_time() + milliseconds(kReapMsMax);
    while (log.is_open() && boot_time() < until) {
      pollfd more{log.pipe_fd(), POLLIN, 0};
      if (::poll(&more, 1, kReapMsMax) <= 0 || !log.pump()) break;
    }
  }
}

ExitFile Supervisor::outcome() {
  ExitFile file;
  file.at = boot_time();
  file.cause = cause_;
  file.detail = detail_;
  const std::optional<std::uint64_t> code = status_number(status_, "\"exit-code\"");
  if (code) {
    file.exit_code = static_cast<int>(*code);
    if (*code > kSignalBase && *code < kSignalBase + NSIG) {
      file.signal = static_cast<int>(*code) - kSignalBase;
    }
  } else {
    file.signal = SIGKILL;
    file.exit_code = kSignalBase + SIGKILL;
    if (!killed_ && !cgroup_.was_out_of_memory()) explain_failed_start(file);
  }
  if (file.cause == ExitCause::kExited && file.exit_code != 0 && !killed_) {
    if (cgroup_.was_out_of_memory()) {
      file.cause = ExitCause::kOutOfMemory;
      file.detail = "it used more memory than it asked for";
    } else if (file.signal == SIGXFSZ || is_disk_full()) {
      file.cause = ExitCause::kDiskFull;
      file.detail = "it used more disk than it asked for";
    }
  }
  return file;
}

// bubblewrap ended without having run anything; what it said stands alone in the error output.
void Supervisor::explain_failed_start(ExitFile& file) const {
  constexpr std::string_view kExecFailed = "bwrap: execvp ";
  std::string words = logs_.size() == 2 ? logs_[1].head(4096) : "";
  words.resize(std::min(words.size(), words.find('\n')));
  if (words.starts_with(kExecFailed)) {
    file.exit_code = kNotFoundCode;
    file.signal = 0;
    file.detail = "the command could not be run: " + words.substr(kExecFailed.size());
  } else if (file.cause == ExitCause::kExited) {
    file.cause = ExitCause::kStartFailed;
    file.detail = "the sandbox could not be made: " + words;
  }
}

bool Supervisor::is_disk_full() const {
  const std::uint64_t bytes_max = launch_.spec.disk_bytes_max;
  if (bytes_max == 0) return false;
  std::uint64_t bytes = 0;
  for (const Fd& folder : private_folders_) {
    bytes += disk_bytes(folder, bytes_max);
    if (bytes >= bytes_max) return true;
  }
  return false;
}

int probe(const char* bwrap) {
  std::string reason;
  const std::uint32_t unprivileged = 0x70000000;
  for (const std::uint32_t uid : {::geteuid() == 0 ? unprivileged : 0U, 0U}) {
    LaunchFile launch;
    launch.bwrap = bwrap;
    launch.uid = uid;
    launch.spec.command = {"true"};
    std::string folder = "/tmp/fallow-probe-XXXXXX";
    if (::mkdtemp(folder.data()) == nullptr) {
      std::puts("/tmp cannot be written");
      return 1;
    }
    ::chmod(folder.c_str(), 0755);
    SandboxFolders folders{"/tmp", "/tmp", "/tmp", folder};
    for (const char* name : {"passwd", "group", "hosts", "nsswitch.conf"}) {
      (void)replace_file(folder + "/" + name, "", 0644).has_value();
    }
    const auto process = launch_sandbox(launch, folders, Cgroup({}, "", {}));
    int status = -1;
    if (process) {
      while (::waitpid(process->pid, &status, 0) < 0 && errno == EINTR) {
      }
      std::array<char, 512> words{};
      const ssize_t n = ::read(process->err.get(), words.data(), words.size());
      if (n > 0) reason.assign(words.data(), static_cast<std::size_t>(n));
    } else {
      reason = process.error().message;
    }
    remove_tree(folder);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
      std::puts(uid != 0 || ::geteuid() != 0 ? "user" : "root");
      return 0;
    }
  }
  std::printf("%s\n", reason.substr(0, reason.find('\n')).c_str());
  return 1;
}

}  // namespace

int supervisor_main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[0], "--probe") == 0) return probe(argv[1]);
  if (argc != 1) {
    std::fputs("this mode is for the agent's own use\n", stderr);
    return 2;
  }
  const std::string folder = argv[0];
  const auto bytes = read_file(folder + "/spec", kSpecBytesMax);
  if (!bytes) return 1;
  Result<LaunchFile> launch = decode_launch(*bytes);
  if (!launch) return 1;
  if (::chdir(folder.c_str()) != 0) return 1;
  if (!publish("pid", std::to_string(::getpid()))) return 1;
  Supervisor(folder, std::move(*launch)).run();
  return 0;
}

}  // namespace fallow::runtime
