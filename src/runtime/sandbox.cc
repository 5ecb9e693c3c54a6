#include "runtime/sandbox.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>

#include "runtime/bubblewrap.h"
#include "runtime/core_dumps.h"
#include "runtime/gvisor.h"
#include "runtime/microvm.h"
#include "runtime/processes.h"
#include "runtime/runc.h"

namespace fallow::runtime {
namespace {

constexpr int kStopRoundsMax = 100;
constexpr int kGivenUpCode = 126;
constexpr std::uint64_t kOpenFilesMax = 65536;

void close_range_on_exec(int first) {
  // CLOSE_RANGE_CLOEXEC is 4; the headers of glibc 2.36 do not name it without linux/close_range.h.
  ::syscall(SYS_close_range, first, ~0U, 4U);
}

void set_limit(int resource, rlim_t value) {
  rlimit limit{};
  ::getrlimit(static_cast<__rlimit_resource_t>(resource), &limit);
  // Raised by nobody, not even by root: in some places that may not do it.
  limit.rlim_max = std::min(limit.rlim_max, value);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(static_cast<__rlimit_resource_t>(resource), &limit);
}

[[noreturn]] void give_up(std::string_view doing) {
  const std::string sentence =
      std::string(kForkFailed) + file_error(doing, "the sandbox's process", errno).message;
  [[maybe_unused]] const ssize_t n = ::write(STDERR_FILENO, sentence.data(), sentence.size());
  ::_exit(kGivenUpCode);
}

// Also when the supervisor ended before the kernel could be told.
void end_with(pid_t supervisor) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != supervisor) ::_exit(kGivenUpCode);
}

void become_user(const LaunchFile& launch, pid_t supervisor) {
  if (launch.uid == 0) return;
  const std::vector<gid_t> groups = device_groups(launch.spec);
  if (::setgroups(groups.size(), groups.data()) != 0 ||
      ::setresgid(launch.uid, launch.uid, launch.uid) != 0 ||
      ::setresuid(launch.uid, launch.uid, launch.uid) != 0) {
    give_up("change the user of");
  }
  // Becoming another user has cleared it.
  end_with(supervisor);
}

// To 3 and up, as asked, whatever numbers stand in the way.
void keep(const std::vector<std::pair<int, int>>& kept) {
  constexpr int kOutOfTheWay = 512;
  close_range_on_exec(3);
  for (const auto& [ours, theirs] : kept) {
    if (::fcntl(ours, F_DUPFD_CLOEXEC, kOutOfTheWay + theirs) != kOutOfTheWay + theirs) {
      give_up("hand descriptors to");
    }
  }
  for (const auto& [ours, theirs] : kept) ::dup2(kOutOfTheWay + theirs, theirs);
}

}  // namespace

std::unique_ptr<Sandbox> Sandbox::make(const LaunchFile& launch, PrivateFolders folders,
                                       const Cgroup& cgroup) {
  switch (launch.isolation) {
    case v1::RUNC:
      return std::make_unique<RuncSandbox>(launch, std::move(folders), cgroup);
    case v1::GVISOR:
      return std::make_unique<GvisorSandbox>(launch, std::move(folders), cgroup);
    case v1::MICROVM:
      return std::make_unique<MicrovmSandbox>(launch, std::move(folders), cgroup);
    default:
      return std::make_unique<BubblewrapSandbox>(launch, std::move(folders), cgroup);
  }
}

Status Sandbox::run(Start start) {
  std::array<int, 2> out{};
  std::array<int, 2> err{};
  for (auto* ends : {&out, &err}) {
    if (::pipe2(ends->data(), O_CLOEXEC) != 0) {
      return tl::unexpected(file_error("make", "a pipe", errno));
    }
    ::fcntl((*ends)[0], F_SETFL, O_NONBLOCK);
  }
  const Fd out_end(out[1]);
  const Fd err_end(err[1]);
  out_ = Fd(out[0]);
  err_ = Fd(err[0]);
  std::array<int, 2> door{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, door.data()) != 0) {
    return tl::unexpected(file_error("make", "a pair of sockets", errno));
  }
  const Fd inner_door(door[1]);
  door_ = Fd(door[0]);
  std::vector<char*> argv;
  for (std::string& word : start.words) argv.push_back(word.data());
  argv.push_back(nullptr);
  // runsc and runc look for helpers; nothing of the agent's own environment is theirs.
  std::string path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
  const std::array<char*, 2> envp{path.data(), nullptr};

  const pid_t supervisor = ::getpid();
  tool_ = ::fork();
  if (tool_ < 0) return tl::unexpected(file_error("start", start.words[0], errno));
  if (tool_ > 0) return {};

  end_with(supervisor);
  ::dup2(inner_door.get(), STDIN_FILENO);
  ::dup2(out_end.get(), STDOUT_FILENO);
  ::dup2(err_end.get(), STDERR_FILENO);
  if (start.joins_cgroup) {
    if (!cgroup_.join()) give_up("put into its control groups");
    const auto score = open_file("/proc/self/oom_score_adj", O_WRONLY);
    if (score) (void)write_all(*score, std::to_string(oom_score_of(launch_.spec)), "oom_score_adj");
  }
  if (start.enters_network && network_ != nullptr &&
      ::setns(network_->name_space().get(), CLONE_NEWNET) != 0) {
    give_up("enter the network for");
  }
  if (start.limits_files) {
    set_limit(RLIMIT_CORE, kCoreBytesMax);
    set_limit(RLIMIT_NOFILE, kOpenFilesMax);
    if (launch_.spec.disk_bytes_max > 0) set_limit(RLIMIT_FSIZE, launch_.spec.disk_bytes_max);
    if (!cgroup_.limits_processes()) set_limit(RLIMIT_NPROC, launch_.spec.processes_max);
  }
  if (start.becomes_user) become_user(launch_, supervisor);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int signal : {SIGPIPE, SIGTERM, SIGINT, SIGHUP}) ::signal(signal, SIG_DFL);
  ::umask(022);
  if (::chdir("/") != 0) give_up("enter the root for");
  keep(start.kept);
  ::execve(argv[0], argv.data(), envp.data());
  give_up("run the program of");
}

int oom_score_of(const agent::LaunchSpec& spec) {
  constexpr int kOfWorkloads = 500;
  constexpr int kOfUnasked = 1'000;
  return spec.memory_room_bytes_min > 0 ? kOfUnasked : kOfWorkloads;
}

Status Sandbox::check_process_limit() const {
  if (cgroup_.limits_processes()) return {};
  return fail(
      ErrorCode::kFailed,
      "this kind of sandbox needs the pids controller of control groups, which the agent may "
      "not use here");
}

std::string Sandbox::network_path() const {
  if (network_ == nullptr) return "";
  return "/proc/" + std::to_string(::getpid()) + "/fd/" +
         std::to_string(network_->name_space().get());
}

void Sandbox::set_init(pid_t pid) {
  begun_ = true;
  init_ = pid;
  init_fd_ = Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  pid_namespace_ = pid_namespace_of(pid);
  if (end_asked_) ask_to_end();
}

void Sandbox::kill() {
  // The whole group: a program killed alone may leave children that wait for it for ever.
  cgroup_.kill();
  // The end of its process 1 is the end of everything in the namespace.
  if (init_fd_) ::syscall(SYS_pidfd_send_signal, init_fd_.get(), SIGKILL, nullptr, 0);
  if (tool_ > 0 && !init_fd_) ::kill(tool_, SIGKILL);
  // What is frozen cannot die.
  cgroup_.set_frozen(false);
}

void Sandbox::wait_until_gone(int ms_max) const {
  if (!init_fd_) return;
  pollfd gone{init_fd_.get(), POLLIN, 0};
  ::poll(&gone, 1, ms_max);
}

void NamespaceSandbox::ask_to_end() {
  if (pid_namespace_ == 0) {
    // It may run already, where its tool has not said so yet: then it is asked as any other.
    end_asked_ = true;
    return;
  }
  for (const pid_t pid : processes_of(pid_namespace_)) {
    if (pid != init_) ::kill(pid, SIGTERM);
  }
}

void NamespaceSandbox::set_suspended(bool suspended) {
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

std::uint64_t NamespaceSandbox::memory_bytes() const {
  if (init_ <= 0) return 0;
  return resident_bytes(processes_of(pid_namespace_)) +
         file_system_bytes("/proc/" + std::to_string(init_) + "/root/dev/shm");
}

CgroupLimits cgroup_limits(const LaunchFile& launch) {
  if (launch.isolation == v1::MICROVM) return MicrovmSandbox::limits(launch);
  const agent::LaunchSpec& spec = launch.spec;
  return {spec.memory_bytes_max, spec.processes_max, spec.cpu_thousandths, launch.disk};
}

std::uint64_t open_files_max() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return std::min<std::uint64_t>(limit.rlim_max, kOpenFilesMax);
}

std::vector<gid_t> device_groups(const agent::LaunchSpec& spec) {
  std::vector<gid_t> groups;
  for (const std::string& device : spec.device_files) {
    struct stat info {};
    if (::stat(device.c_str(), &info) != 0 || !S_ISCHR(info.st_mode) || info.st_gid == 0) continue;
    if (std::find(groups.begin(), groups.end(), info.st_gid) == groups.end()) {
      groups.push_back(info.st_gid);
    }
  }
  return groups;
}

}  // namespace fallow::runtime
