#include "runtime/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/evidence.h"
#include "base/file.h"
#include "runtime/cgroup.h"
#include "runtime/door.h"
#include "runtime/driver_files.h"
#include "runtime/egress_count.h"
#include "runtime/host_room.h"
#include "runtime/launch_file.h"
#include "runtime/lease_network.h"
#include "runtime/log_file.h"
#include "runtime/private_folders.h"
#include "runtime/processes.h"
#include "runtime/room_watch.h"
#include "runtime/sandbox.h"
#include "runtime/sandbox_init.h"
#include "runtime/supervisor_process.h"
#include "runtime/workload_use.h"

namespace fallow::runtime {
namespace {

using agent::ExitCause;

constexpr std::size_t kSpecBytesMax = std::size_t{64} << 20;
// How often the limits that the kernel does not hold are looked at; a look that takes long is
// taken less often.
constexpr Duration kWatchMin = milliseconds(100);
constexpr Duration kWatchMax = seconds(5);
constexpr int kWatchShare = 20;
// After the sandbox is gone, its processes are given this long to be reaped.
constexpr int kReapMsMax = 5'000;
// A shell's way to say "ended by signal N".
constexpr int kSignalBase = 128;
constexpr std::uint64_t kProbeMemoryBytes = std::uint64_t{512} << 20;
constexpr Duration kProbeMax = seconds(15);
constexpr Duration kEmulatedProbeMax = minutes(10);
constexpr std::size_t kHeadBytesMax = 4096;
constexpr std::size_t kFilterBytesMax = std::size_t{64} << 10;  // the kernel takes half of that
// A disk with less room than this is full: file systems keep some for themselves.
constexpr std::uint64_t kHostRoomMin = std::uint64_t{1} << 20;

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
        limits_(cgroup_limits(launch_)),
        cgroup_(launch_.cgroup_parents, cgroup_name(launch_.spec.lease, ::getpid()), limits_) {}

  // Returns when nothing of the workload is left and its end is written down.
  void run();
  // Of a trial: a network must also lead somewhere.
  void ask_resolvers() { asks_resolvers_ = true; }

 private:
  static std::string path(std::string_view name) { return "./" + std::string(name); }
  // Without a sandbox when the fence has passed already.
  Status begin();
  Status make_network(const PrivateFolders& folders);
  // Says what went over it.
  std::int64_t remove_network();
  void loop();
  void follow_wishes();
  void note_start();
  void check_fence();
  void watch_limits();
  void watch_room();
  void reap();
  void suspend(bool suspended);
  // `detail` empty: what the table of evidence says of the cause.
  void kill_all(ExitCause cause, std::string detail);
  void clear_away();
  void reap_all();
  ExitFile outcome();
  bool is_disk_full() const;
  bool holds_disk(std::uint64_t bytes) const;
  std::uint64_t memory_bytes() const;
  bool is_host_disk_full() const;
  void make_room();

  const std::string folder_;
  const LaunchFile launch_;
  const CgroupLimits limits_;
  Cgroup cgroup_;

  Fd control_;
  Fd door_;  // none: nobody can reach in
  Fd signals_;
  Fd fence_timer_;
  Fd watch_timer_;
  Fd room_timer_;
  std::vector<Fd> private_folders_;
  std::optional<LeaseNetwork> network_;
  bool asks_resolvers_ = false;
  std::unique_ptr<Sandbox> sandbox_;  // none: it could not, or must not, even be tried
  std::vector<LogFile> logs_;         // stdout, stderr; fewer when they could not be made

  bool started_ = false;  // and said so
  bool suspended_ = false;
  RoomWatch room_{launch_.meminfo, launch_.spec.memory_room_bytes_min,
                  launch_.spec.disk_room_bytes_min};
  Time over_at_;  // its end: what clearing up takes after it is not the renter's to pay

  bool killed_ = false;
  // Why we killed it by ourselves; kExited: we did not.
  ExitCause cause_ = ExitCause::kExited;
  std::string detail_;
};

void Supervisor::run() {
  const Status begun = begin();
  if (!begun) kill_all(ExitCause::kStartFailed, begun.error().message);
  // Whatever has killed it meanwhile: what was begun is over only when it is reaped.
  if (sandbox_) loop();
  over_at_ = boot_time();
  clear_away();
  const std::int64_t egress_bytes = remove_network();
  ExitFile end = outcome();
  end.egress_bytes = egress_bytes;
  if (end.cause == ExitCause::kHostDiskFull) make_room();
  publish("exit", encode_exit(end));
  remove_cgroups(launch_.cgroup_parents, cgroup_name(launch_.spec.lease, ::getpid()));
}

Status Supervisor::begin() {
  FALLOW_ASSIGN(control_, open_file(path("control"), O_RDWR | O_NONBLOCK));
  // A workload that nobody can reach is still worth its run.
  if (auto door = open_door(path("door"))) door_ = std::move(*door);
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int signal : {SIGCHLD, SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&signals, signal);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  signals_ = Fd(::signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC));
  fence_timer_ = open_timer();
  watch_timer_ = open_timer();
  room_timer_ = open_timer();
  if (!signals_ || !fence_timer_ || !watch_timer_ || !room_timer_) {
    return tl::unexpected(file_error("make", "the supervisor's timers", errno));
  }
  check_fence();
  if (killed_) return {};
  // What the sandbox leaves behind becomes our child, so that nothing escapes the reaping.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  for (const std::string_view name : kPrivateNames) {
    FALLOW_ASSIGN(Fd folder, open_file(path(name), O_RDONLY | O_DIRECTORY));
    private_folders_.push_back(std::move(folder));
  }
  // A workload that asked for nothing does not begin where others' room is all that is left.
  FALLOW_TRY(room_.check(private_folders_[0]));
  FALLOW_ASSIGN(PrivateFolders folders,
                make_private_folders(folder_, launch_.uid, launch_.files.init,
                                     launch_.spec.image_root, launch_.prover));
  // What it changes of its image's files is on its disk, too.
  if (auto layer = open_file(path("layer"), O_RDONLY | O_DIRECTORY)) {
    private_folders_.push_back(std::move(*layer));
  }
  const bool has_network = launch_.spec.network != v1::NETWORK_NONE;
  if (has_network) FALLOW_TRY(make_network(folders));
  sandbox_ = Sandbox::make(launch_, std::move(folders), cgroup_);
  if (has_network) sandbox_->use_network(*network_);
  if (Status started = sandbox_->start(); !started) {
    sandbox_.reset();  // it has no process
    return started;
  }
  FALLOW_ASSIGN(LogFile out, LogFile::open(path("stdout"), sandbox_->take_out(), kLogBytesMax));
  logs_.push_back(std::move(out));
  FALLOW_ASSIGN(LogFile err, LogFile::open(path("stderr"), sandbox_->take_err(), kLogBytesMax));
  logs_.push_back(std::move(err));
  set_timer(watch_timer_, boot_time() + kWatchMin);
  set_timer(room_timer_, boot_time() + kWatchMin);
  return {};
}

Status Supervisor::make_network(const PrivateFolders& folders) {
  auto made = LeaseNetwork::make(launch_.egress, launch_.spec.lease, ::getpid(),
                                 launch_.spec.egress_bytes_max);
  Status usable = made ? Status() : tl::unexpected(made.error());
  if (made) network_ = std::move(*made);
  if (usable && asks_resolvers_) usable = network_->try_resolvers(launch_.egress);
  if (usable) {
    usable = write_open_file(folders.etc + "/resolv.conf", resolv_conf(launch_.egress));
  }
  if (usable) return {};
  return fail_with(usable.error(), "the workload's network could not be made");
}

std::int64_t Supervisor::remove_network() {
  if (launch_.spec.network == v1::NETWORK_NONE) return 0;
  const LeaseLink link = lease_link(launch_.egress, launch_.spec.lease.value, ::getpid());
  const std::uint64_t sent = egress_bytes_of(link.table).value_or(0);
  network_.reset();
  LeaseNetwork::remove(launch_.egress, launch_.spec.lease, ::getpid());
  return static_cast<std::int64_t>(sent);
}

void Supervisor::loop() {
  const auto pipe_of = [this](std::size_t log) {
    return log < logs_.size() ? logs_[log].pipe_fd() : -1;
  };
  while (!sandbox_->is_over()) {
    std::array<pollfd, 9> polled{{{control_.get(), POLLIN, 0},
                                  {signals_.get(), POLLIN, 0},
                                  {fence_timer_.get(), POLLIN, 0},
                                  {watch_timer_.get(), POLLIN, 0},
                                  {sandbox_->status_fd(), POLLIN, 0},
                                  {pipe_of(0), POLLIN, 0},
                                  {pipe_of(1), POLLIN, 0},
                                  {door_.get(), POLLIN, 0},
                                  {room_timer_.get(), POLLIN, 0}}};
    if (::poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR) return;
    // First of all, as after a stop of the whole machine: may it still run?
    if (polled[2].revents != 0) check_fence();
    if (polled[4].revents != 0) sandbox_->follow();
    if (polled[0].revents != 0) follow_wishes();
    if (polled[7].revents != 0) let_in(door_, sandbox_->door());
    for (LogFile& log : logs_) log.pump();
    if (polled[8].revents != 0) watch_room();
    if (polled[3].revents != 0) watch_limits();
    if (polled[1].revents != 0) reap();
    note_start();
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
          sandbox_->ask_to_end();
          suspend(false);
          break;
        case ControlByte::kKill:
          kill_all(ExitCause::kExited, "");
          break;
      }
    }
  }
}

void Supervisor::note_start() {
  if (started_ || !sandbox_->has_begun()) return;
  started_ = true;
  publish("started", encode_time(boot_time()));
}

// The agent moves the fence on with every word of the market; when it does not, for whatever
// reason, the market may give the task to another node, so this one must be over by then.
void Supervisor::check_fence() {
  drain(fence_timer_);
  std::optional<Time> fence_at;
  if (const auto bytes = read_file(path("fence"), 64)) fence_at = decode_time(*bytes);
  if (!fence_at || *fence_at <= boot_time()) {
    kill_all(ExitCause::kFenced, "");
    return;
  }
  set_timer(fence_timer_, *fence_at);
}

void Supervisor::watch_limits() {
  drain(watch_timer_);
  const Time began = boot_time();
  const agent::LaunchSpec& spec = launch_.spec;
  if (is_disk_full()) kill_all(ExitCause::kDiskFull, "");
  if (limits_.memory_bytes_max > 0 && !cgroup_.limits_memory() &&
      sandbox_->memory_bytes() > limits_.memory_bytes_max) {
    kill_all(ExitCause::kOutOfMemory, "");
  }
  if (room_.lacks_memory() && memory_bytes() >= spec.memory_room_bytes_min) {
    kill_all(ExitCause::kHostOutOfMemory, "");
  }
  if (room_.lacks_disk() && holds_disk(spec.disk_room_bytes_min)) {
    kill_all(ExitCause::kHostDiskFull, "");
  }
  const Duration took = boot_time() - began;
  set_timer(watch_timer_,
            boot_time() + std::clamp(Duration(took.value * kWatchShare), kWatchMin, kWatchMax));
}

// A look is cheap, so none is left out, however slow the looks at its own folders are. What is
// scarce is given back by who has it (watch_limits()): the end of all others would give nothing.
void Supervisor::watch_room() {
  drain(room_timer_);
  if (!room_.is_needed()) return;
  const bool had_lacked = room_.lacks_memory() || room_.lacks_disk();
  if (const auto cause = room_.look(private_folders_[0])) kill_all(*cause, "");
  if (!had_lacked && (room_.lacks_memory() || room_.lacks_disk())) {
    set_timer(watch_timer_, boot_time());
  }
  set_timer(room_timer_, boot_time() + kWatchMin);
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
    sandbox_->child_ended(pid, status);
  }
}

void Supervisor::suspend(bool suspended) {
  if (suspended == suspended_) return;
  suspended_ = suspended;
  sandbox_->set_suspended(suspended);
}

void Supervisor::kill_all(ExitCause cause, std::string detail) {
  if (sandbox_ && sandbox_->is_over()) return;
  killed_ = true;
  if (cause_ == ExitCause::kExited) {
    cause_ = cause;
    detail_ = std::move(detail);
  }
  if (sandbox_) sandbox_->kill();
}

void Supervisor::clear_away() {
  door_.reset();
  if (sandbox_) {
    sandbox_->kill();
    sandbox_->wait_until_gone(kReapMsMax);
    sandbox_->follow();
    note_start();
  }
  reap_all();
  // Whoever wrote is gone, so this ends.
  for (LogFile& log : logs_) {
    const Time until = boot_time() + milliseconds(kReapMsMax);
    while (log.is_open() && boot_time() < until) {
      pollfd more{log.pipe_fd(), POLLIN, 0};
      if (::poll(&more, 1, kReapMsMax) <= 0 || !log.pump()) break;
    }
  }
}

// What the sandbox left behind has become our child, and dies as it does.
void Supervisor::reap_all() {
  const Time until = boot_time() + milliseconds(kReapMsMax);
  while (true) {
    const pid_t pid = ::waitpid(-1, nullptr, WNOHANG);
    if (pid > 0) continue;
    const Duration left = until - boot_time();
    if (pid < 0 || left.value <= 0) return;
    pollfd child{signals_.get(), POLLIN, 0};
    ::poll(&child, 1, static_cast<int>(left.value / 1'000) + 1);
    drain(signals_);
  }
}

ExitFile Supervisor::outcome() {
  ExitFile file;
  file.at = over_at_;
  file.cause = cause_;
  file.detail = detail_;
  SandboxEnd end;
  if (sandbox_ && logs_.size() == 2) end = sandbox_->end(logs_[1].head(kHeadBytesMax));
  if (end.exit_code) {
    file.exit_code = *end.exit_code;
    if (file.exit_code > kSignalBase && file.exit_code < kSignalBase + NSIG) {
      file.signal = file.exit_code - kSignalBase;
    }
  } else {
    file.signal = SIGKILL;
    file.exit_code = kSignalBase + SIGKILL;
  }
  if (!end.command_error.empty()) {
    file.exit_code = kNotFoundCode;
    file.signal = 0;
    file.detail = "the command could not be run: " + end.command_error;
  } else if (!end.exit_code && !killed_ && cgroup_.out_of_memory() == OutOfMemory::kNo &&
             file.cause == ExitCause::kExited && !end.start_error.empty()) {
    file.cause = ExitCause::kStartFailed;
    file.detail = "the sandbox could not be made: " + end.start_error;
  }
  if (file.cause == ExitCause::kExited && file.exit_code != 0 && !killed_) {
    const OutOfMemory memory = end.out_of_memory ? OutOfMemory::kOwnLimit : cgroup_.out_of_memory();
    if (memory != OutOfMemory::kNo) {
      file.cause =
          memory == OutOfMemory::kOwnLimit ? ExitCause::kOutOfMemory : ExitCause::kHostOutOfMemory;
    } else if (file.signal == SIGXFSZ || is_disk_full()) {
      file.cause = ExitCause::kDiskFull;
    } else if (is_host_disk_full()) {
      file.cause = ExitCause::kHostDiskFull;
    }
  }
  if (file.cause != ExitCause::kExited && file.detail.empty()) {
    file.detail = agent::words_of(agent::Exited{launch_.spec.lease, file.at, file.cause, 0, 0, ""});
  }
  return file;
}

bool Supervisor::is_disk_full() const {
  return launch_.spec.disk_bytes_max > 0 && holds_disk(launch_.spec.disk_bytes_max);
}

bool Supervisor::holds_disk(std::uint64_t bytes) const {
  std::uint64_t held = 0;
  for (const Fd& folder : private_folders_) {
    held += disk_bytes(folder, bytes);
    if (held >= bytes) return true;
  }
  return false;
}

// Its control group counts of every kind of sandbox what its end would give back.
std::uint64_t Supervisor::memory_bytes() const {
  if (!cgroup_.limits_memory()) return sandbox_->memory_bytes();
  const std::string name = cgroup_name(launch_.spec.lease, ::getpid());
  return workload_use(groups_of(launch_.cgroup_parents, name), ::getpid()).memory_bytes.value_or(0);
}

// It failed, and there was no room left on the disk though it had room left of its own.
bool Supervisor::is_host_disk_full() const {
  if (private_folders_.empty()) return false;
  const auto disk = disk_room(private_folders_[0]);
  return disk && disk->left < kHostRoomMin;
}

// What nobody brings to the market makes room, so that its end can be written down.
void Supervisor::make_room() {
  for (const std::string_view name : {"work", "tmp", "layer"}) remove_tree(path(name));
}

// OCI runtimes make theirs themselves. Without one the sandbox does not start and says so.
void add_filter(LaunchFile& launch) {
  if (launch.isolation != v1::BUBBLEWRAP && launch.isolation != v1::MICROVM) return;
  if (auto bytes = read_file(launch.files.filter, kFilterBytesMax))
    launch.filter = std::move(*bytes);
}

// Runs `true` in a sandbox of that kind, the very way that a workload is run. Prints why not.
int probe(const std::string& folder, LaunchFile launch) {
  launch.spec.lease = LeaseId(1);
  launch.spec.command = {"true"};
  launch.spec.environment = {{"PATH", "/usr/bin:/bin"}};
  launch.spec.memory_bytes_max = kProbeMemoryBytes;
  launch.spec.fence_at = boot_time() + (launch.microvm.emulated ? kEmulatedProbeMax : kProbeMax);
  for (const std::string_view name : kPrivateNames) ::mkdir(std::string(name).c_str(), 0755);
  ::mkfifo("control", 0600);
  publish("fence", encode_time(launch.spec.fence_at));
  Supervisor supervisor(folder, std::move(launch));
  supervisor.ask_resolvers();
  supervisor.run();
  const auto bytes = read_file("exit", kSpecBytesMax);
  const auto exit = bytes ? decode_exit(*bytes) : Result<ExitFile>(tl::unexpected(bytes.error()));
  if (exit && exit->cause == ExitCause::kExited && exit->exit_code == 0) return 0;
  const std::string why = exit ? exit->detail : exit.error().message;
  std::printf("%s\n", why.empty() ? "the sandbox ran nothing" : why.c_str());
  return 1;
}

}  // namespace

int supervisor_main(int argc, char** argv) {
  const bool is_probe = argc == 2 && std::strcmp(argv[0], "--probe") == 0;
  if (argc != 1 && !is_probe) {
    std::fputs("this mode is for the agent's own use\n", stderr);
    return 2;
  }
  if (!is_probe) ::fcntl(kLockFd, F_SETFD, FD_CLOEXEC);
  // Before anything else may take its number.
  Result<Environment> secrets;
  if (!is_probe) secrets = read_secrets(kSecretsFd);
  if (!secrets) return 1;
  const std::string folder = argv[argc - 1];
  const auto bytes = read_file(folder + "/spec", kSpecBytesMax);
  if (!bytes) return 1;
  Result<LaunchFile> launch = decode_launch(*bytes);
  if (!launch) return 1;
  if (::chdir(folder.c_str()) != 0) return 1;
  if (!publish("pid", std::to_string(::getpid()))) return 1;
  add_filter(*launch);
  if (is_probe) return probe(folder, std::move(*launch));
  if (!launch->spec.image_root.empty()) add_driver_files(*launch);
  // Behind what the order sets in the clear.
  Environment& environment = launch->spec.environment;
  environment.insert(environment.end(), secrets->begin(), secrets->end());
  Supervisor(folder, std::move(*launch)).run();
  return 0;
}

}  // namespace fallow::runtime
