#include "runtime/sandbox_runtime.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <unordered_map>

#include "base/file.h"
#include "base/number.h"
#include "runtime/cgroup.h"
#include "runtime/disk_of.h"
#include "runtime/door.h"
#include "runtime/egress_count.h"
#include "runtime/host_room.h"
#include "runtime/launch_file.h"
#include "runtime/lease_network.h"
#include "runtime/microvm.h"
#include "runtime/private_folders.h"
#include "runtime/sandbox_files.h"
#include "runtime/supervisor_process.h"
#include "runtime/trash.h"
#include "runtime/workload_use.h"

namespace fallow::runtime {
namespace {

using agent::ExitCause;
using agent::Exited;
using agent::Started;

// 1879048192 and up: beyond what systemd and subuid ranges hand out.
constexpr std::uint32_t kUidFirst = 0x70000000;
constexpr std::uint32_t kUidCount = 1 << 16;
constexpr std::size_t kSmallFileBytesMax = 64 << 10;
// A supervisor that has just been made writes its process id within this.
constexpr int kPidTries = 200;  // of 5 ms
// A supervisor may take so many wishes of kKill, five seconds apart, to clear away what it killed.
constexpr int kKillWishesMax = 4;

std::optional<LeaseId> lease_of(std::string_view name) {
  const auto number = parse_number<std::uint64_t>(name);
  if (!number || *number == 0) return std::nullopt;
  return LeaseId(*number);
}

// What asked for nothing leaves what others were promised when less than one part in so many is
// left.
constexpr std::uint64_t kRoomParts = 32;
constexpr std::uint64_t kDiskRoomBytesMax = std::uint64_t{512} << 20;

void limit_unasked_memory(agent::LaunchSpec& spec) {
  const std::uint64_t bytes = memory_bytes_of_host();
  // An eighth stays for the host and the agent.
  spec.memory_bytes_max = bytes / 8 * 7;
  spec.memory_room_bytes_min = bytes / kRoomParts;
}

void limit_unasked_disk(agent::LaunchSpec& spec, const std::string& folder) {
  const auto opened = open_file(folder, O_RDONLY | O_DIRECTORY);
  const auto disk = opened ? disk_room(*opened) : std::nullopt;
  if (disk) spec.disk_room_bytes_min = std::min(disk->bytes / kRoomParts, kDiskRoomBytesMax);
}

// What we know of one supervisor.
struct Supervised {
  Fd control;
  Fd pid_fd;
  int watch = -1;    // inotify
  pid_t child = -1;  // ours to reap; -1 when an earlier agent's
  bool saw_start = false;
  bool saw_exit = false;
  int kill_wishes = 0;
};

}  // namespace

struct SandboxRuntime::Impl {
  SandboxOptions options;
  SandboxFiles files;
  std::vector<std::string> cgroups;
  std::vector<Level> levels;
  std::string egress_fault;
  std::string disk_fault;
  Fd epoll;
  Fd inotify;
  std::unique_ptr<Trash> trash;
  std::map<LeaseId, Supervised> supervised;  // as many as leases were taken up
  std::unordered_map<int, LeaseId> by_watch;
  std::vector<agent::RuntimeEvent> ready;  // found by adopt()
  Fd ready_fd;                             // an eventfd: `ready` has something
  std::vector<pid_t> forgotten_children;

  std::string folder_of(LeaseId lease) const {
    return options.folder + "/" + std::to_string(lease.value);
  }

  void send(LeaseId lease, ControlByte byte) {
    const auto found = supervised.find(lease);
    if (found == supervised.end() || !found->second.control) return;
    const char letter = static_cast<char>(byte);
    // A full FIFO means a supervisor that has been stopped; the wish comes again.
    [[maybe_unused]] const ssize_t n = ::write(found->second.control.get(), &letter, 1);
  }

  Status watch(LeaseId lease, Supervised& one) {
    const std::string folder = folder_of(lease);
    one.watch = ::inotify_add_watch(inotify.get(), folder.c_str(), IN_MOVED_TO | IN_MODIFY);
    if (one.watch < 0) {
      return fail(ErrorCode::kFailed,
                  "cannot watch {}: {}; raise fs.inotify.max_user_watches with sysctl", folder,
                  errno);
    }
    by_watch[one.watch] = lease;
    return {};
  }

  Status watch_pid(LeaseId lease, Supervised& one, pid_t pid) {
    one.pid_fd = Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!one.pid_fd) return tl::unexpected(file_error("watch", "the supervisor", errno));
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = lease.value;
    if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, one.pid_fd.get(), &event) != 0) {
      return tl::unexpected(file_error("watch", "the supervisor", errno));
    }
    return {};
  }

  bool has_supervisor(LeaseId lease, pid_t supervisor) const;
  void look(LeaseId lease, Supervised& one, std::vector<agent::RuntimeEvent>& events);
  void read_inotify(Events& events);
  void supervisor_gone(LeaseId lease, Supervised& one, std::vector<agent::RuntimeEvent>& events);
  void drop(LeaseId lease);
};

Result<std::unique_ptr<SandboxRuntime>> SandboxRuntime::open(SandboxOptions options) {
  FALLOW_TRY(make_folder(options.folder));
  FALLOW_TRY(make_folder(options.folder + "/trash"));
  auto impl = std::make_unique<Impl>();
  impl->epoll = Fd(::epoll_create1(EPOLL_CLOEXEC));
  impl->inotify = Fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  impl->ready_fd = Fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!impl->epoll || !impl->inotify || !impl->ready_fd) {
    return fail(ErrorCode::kFailed,
                "cannot watch files: raise fs.inotify.max_user_instances with sysctl");
  }
  epoll_event event{};
  event.events = EPOLLIN;
  if (::epoll_ctl(impl->epoll.get(), EPOLL_CTL_ADD, impl->inotify.get(), &event) != 0 ||
      ::epoll_ctl(impl->epoll.get(), EPOLL_CTL_ADD, impl->ready_fd.get(), &event) != 0) {
    return tl::unexpected(file_error("watch", "files", errno));
  }
  FALLOW_ASSIGN(impl->files, write_sandbox_files(options.folder));
  impl->cgroups = find_cgroup_parents();
  const std::string owner = egress_owner(options.folder);
  // Of an agent on this folder that died while it tried.
  remove_cgroups(impl->cgroups, disk_trial_name(owner));
  FALLOW_ASSIGN(impl->levels,
                try_levels(options.tools, options.supervisor, options.folder + "/trash",
                           impl->files, impl->cgroups, options.only));
  if (choose_level(impl->levels, v1::BUBBLEWRAP) == nullptr) {
    std::string why = "no sandbox can be made on this machine";
    for (const Level& level : impl->levels) {
      why += "; " + isolation_name(level.isolation) + ": " + level.why + "; " + level.remedy;
    }
    return fail(ErrorCode::kFailed, "{}", why);
  }
  impl->options = std::move(options);
  SandboxOptions& kept = impl->options;
  // By its name, and before a newer one may lie there: that proves as well.
  std::error_code unread;
  if (kept.prover.empty()) {
    kept.prover = std::filesystem::read_symlink("/proc/self/exe", unread).string();
  }
  sweep_networks(owner, [&impl](LeaseId lease, pid_t supervisor) {
    return impl->has_supervisor(lease, supervisor);
  });
  if (kept.egress) {
    kept.egress->owner = owner;
    FALLOW_ASSIGN(impl->egress_fault,
                  try_egress(impl->levels, *kept.egress, kept.supervisor, kept.folder + "/trash",
                             impl->files, impl->cgroups));
  }
  if (kept.disk.is_limited()) {
    const auto disk = disk_of(kept.folder);
    if (disk) kept.disk.disk = *disk;
    impl->disk_fault =
        disk ? why_no_disk_pace(impl->cgroups, kept.disk, owner) : disk.error().message;
    if (!impl->disk_fault.empty()) kept.disk = {};
  }
  impl->trash = std::make_unique<Trash>(kept.folder + "/trash", impl->cgroups, owner);
  return std::unique_ptr<SandboxRuntime>(new SandboxRuntime(std::move(impl)));
}

SandboxRuntime::SandboxRuntime(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SandboxRuntime::~SandboxRuntime() = default;

Result<agent::WorkloadFolders> SandboxRuntime::prepare(LeaseId lease) {
  forget(lease);
  const std::string folder = impl_->folder_of(lease);
  FALLOW_TRY(make_folder(folder));
  for (const std::string_view name : kPrivateNames) {
    FALLOW_TRY(make_folder(folder + "/" + std::string(name)));
  }
  return folders(lease);
}

agent::WorkloadFolders SandboxRuntime::folders(LeaseId lease) const {
  const std::string folder = impl_->folder_of(lease);
  return {folder + "/work", folder + "/out", folder + "/checkpoint", folder + "/stdout",
          folder + "/stderr"};
}

Status SandboxRuntime::start(const agent::LaunchSpec& spec) {
  const std::string folder = impl_->folder_of(spec.lease);
  LaunchFile launch;
  launch.spec = spec;
  if (launch.spec.memory_bytes_max == 0) limit_unasked_memory(launch.spec);
  if (!launch.spec.asks_for_disk) limit_unasked_disk(launch.spec, folder);
  const Level* level = choose_level(impl_->levels, spec.isolation_min);
  if (level == nullptr) {
    return fail(ErrorCode::kFailed, "this node cannot give the isolation that the order asks for");
  }
  if (!takes_devices(level->isolation) && !spec.device_files.empty()) {
    return fail(ErrorCode::kFailed, "this node cannot give its devices to a {} sandbox",
                isolation_name(level->isolation));
  }
  if (spec.network != v1::NETWORK_NONE) {
    if (!offers_egress()) {
      return fail(ErrorCode::kFailed, "this node lets no workload out to the internet");
    }
    if (!takes_network(level->isolation)) {
      return fail(ErrorCode::kFailed, "this node cannot let a {} sandbox out to the internet",
                  isolation_name(level->isolation));
    }
    launch.egress = *impl_->options.egress;
  }
  launch.disk = impl_->options.disk;
  launch.driver = impl_->options.driver;
  launch.meminfo = impl_->options.meminfo;
  if (spec.is_prover) {
    launch.prover = impl_->options.prover;
    launch.spec.command.insert(launch.spec.command.begin(), std::string(kProverPath));
  }
  // What proves a processor stands in the sandbox that would be around its machine: that is
  // bubblewrap's, by the same tool and of the same user.
  const bool needs_no_machine = spec.is_prover && level->isolation == v1::MICROVM;
  launch.isolation = needs_no_machine ? v1::BUBBLEWRAP : level->isolation;
  launch.tool = level->tool;
  launch.microvm = level->microvm;
  if (launch.isolation == v1::MICROVM) launch.spec.device_files = microvm_devices(level->microvm);
  launch.files = impl_->files;
  if (level->has_own_users) {
    launch.uid = kUidFirst + static_cast<std::uint32_t>(NamedHash()(spec.lease) % kUidCount);
  }
  launch.cgroup_parents = impl_->cgroups;
  FALLOW_ASSIGN(const Fd spec_file, open_file(folder + "/spec", O_WRONLY | O_CREAT | O_EXCL));
  FALLOW_TRY(write_all(spec_file, encode_launch(launch), "spec"));
  FALLOW_ASSIGN(const Fd fence, open_file(folder + "/fence", O_WRONLY | O_CREAT));
  FALLOW_TRY(write_all(fence, encode_time(spec.fence_at), "fence"));
  const std::string control = folder + "/control";
  if (::mkfifo(control.c_str(), 0600) != 0) {
    return tl::unexpected(file_error("make", control, errno));
  }
  Fd secrets;
  if (!spec.secret_environment.empty()) {
    FALLOW_ASSIGN(secrets, secrets_file(spec.secret_environment));
  }
  Supervised one;
  FALLOW_ASSIGN(one.control, open_file(control, O_RDWR | O_NONBLOCK));
  FALLOW_ASSIGN(const Fd lock, open_file(folder + "/lock", O_RDWR | O_CREAT));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return fail(ErrorCode::kBusy, "lease {} has a supervisor already", spec.lease.value);
  }
  FALLOW_TRY(impl_->watch(spec.lease, one));
  const auto pid = spawn_supervisor(impl_->options.supervisor, folder, lock, secrets);
  if (!pid) {
    impl_->supervised[spec.lease] = std::move(one);
    impl_->drop(spec.lease);
    return tl::unexpected(pid.error());
  }
  one.child = *pid;
  const Status watched = impl_->watch_pid(spec.lease, one, *pid);
  if (!watched) {
    // Without a watch nobody would see its end, and an error says that nothing of it runs.
    ::kill(*pid, SIGKILL);
    ::waitpid(std::exchange(one.child, -1), nullptr, 0);
  }
  impl_->supervised[spec.lease] = std::move(one);
  if (!watched) impl_->drop(spec.lease);
  return watched;
}

void SandboxRuntime::set_fence(LeaseId lease, Time fence_at) {
  const auto file = open_file(impl_->folder_of(lease) + "/fence", O_WRONLY);
  // In place: its 8 bytes are read as they were before or after.
  if (file) (void)write_all_at(*file, encode_time(fence_at), 0, "fence").has_value();
}

void SandboxRuntime::suspend(LeaseId lease) { impl_->send(lease, ControlByte::kSuspend); }
void SandboxRuntime::resume(LeaseId lease) { impl_->send(lease, ControlByte::kResume); }
void SandboxRuntime::stop(LeaseId lease) { impl_->send(lease, ControlByte::kStop); }

void SandboxRuntime::kill(LeaseId lease) {
  impl_->send(lease, ControlByte::kKill);
  const auto found = impl_->supervised.find(lease);
  if (found == impl_->supervised.end()) return;
  Supervised& one = found->second;
  // Whoever has stopped the supervisor itself: its end is the end of its sandbox.
  if (++one.kill_wishes > kKillWishesMax && one.pid_fd) {
    ::syscall(SYS_pidfd_send_signal, one.pid_fd.get(), SIGKILL, nullptr, 0);
  }
}

std::vector<LeaseId> SandboxRuntime::list() const {
  std::vector<LeaseId> leases;
  for (const std::string& name : names_in(impl_->options.folder)) {
    if (const auto lease = lease_of(name)) leases.push_back(*lease);
  }
  std::sort(leases.begin(), leases.end());
  return leases;
}

agent::Adopted SandboxRuntime::adopt(LeaseId lease) {
  using agent::AdoptState;
  const std::string folder = impl_->folder_of(lease);
  const auto lock = open_file(folder + "/lock", O_RDWR);
  if (!lock) {
    // Nobody can tell then whether it runs: it may, until its own fence.
    const bool is_there = ::access((folder + "/lock").c_str(), F_OK) == 0;
    return {is_there ? AdoptState::kTaken : AdoptState::kNotStarted, {}};
  }
  Supervised one;
  // Before the first look, so that nothing falls between.
  if (!impl_->watch(lease, one)) {
    end_supervisor(folder, *lock);
    return {AdoptState::kLost, {}};
  }
  bool lives = ::flock(lock->get(), LOCK_EX | LOCK_NB) != 0;
  std::optional<pid_t> pid;
  for (int tries = 0; lives && !pid && tries < kPidTries; ++tries) {
    pid = supervisor_pid(folder);
    if (pid) break;
    ::usleep(5'000);
    lives = ::flock(lock->get(), LOCK_EX | LOCK_NB) != 0;
  }
  if (lives && pid) {
    if (auto control = open_file(folder + "/control", O_RDWR | O_NONBLOCK)) {
      one.control = std::move(*control);
    }
    // It may end in between; then the lock is free and its exit file is there.
    if (!impl_->watch_pid(lease, one, *pid)) {
      one.control.reset();  // descriptors may be what is short
      end_supervisor(folder, *lock);
      lives = false;
    }
  } else if (lives) {
    end_supervisor(folder, *lock);
    lives = false;
  }
  const bool has_run = ::access((folder + "/pid").c_str(), F_OK) == 0;
  Supervised& kept = impl_->supervised[lease] = std::move(one);
  if (!has_run) {
    impl_->drop(lease);
    return {AdoptState::kNotStarted, {}};
  }
  impl_->look(lease, kept, impl_->ready);
  if (!lives && !kept.saw_exit) {
    impl_->look(lease, kept, impl_->ready);
    if (!kept.saw_exit) {
      impl_->drop(lease);
      return {AdoptState::kLost, {}};
    }
  }
  if (!impl_->ready.empty()) ::eventfd_write(impl_->ready_fd.get(), 1);
  agent::Adopted adopted{AdoptState::kTaken, {}};
  if (const auto bytes = read_file(folder + "/fence", kSmallFileBytesMax)) {
    adopted.fence_at = decode_time(*bytes).value_or(Time{});
  }
  return adopted;
}

void SandboxRuntime::forget(LeaseId lease) {
  kill(lease);
  impl_->drop(lease);
  impl_->trash->take(impl_->folder_of(lease), std::to_string(lease.value));
}

Result<Fd> SandboxRuntime::enter(LeaseId lease) { return knock(impl_->folder_of(lease)); }

agent::WorkloadUse SandboxRuntime::use(LeaseId lease) const {
  const auto found = impl_->supervised.find(lease);
  if (found == impl_->supervised.end() || found->second.saw_exit) return {};
  const auto supervisor = supervisor_pid(impl_->folder_of(lease));
  if (!supervisor) return {};
  agent::WorkloadUse use =
      workload_use(groups_of(impl_->cgroups, cgroup_name(lease, *supervisor)), *supervisor);
  if (const auto& egress = impl_->options.egress) {
    const LeaseLink link = lease_link(*egress, lease.value, *supervisor);
    add_network_use(link.interface, use);
    // Who has no network has no interface, and no table to ask for.
    if (use.network_out_bytes) use.egress_bytes = egress_bytes_of(link.table);
  }
  return use;
}

int SandboxRuntime::event_fd() const { return impl_->epoll.get(); }

agent::Runtime::Events SandboxRuntime::take_events() {
  Events events;
  eventfd_t pokes = 0;
  ::eventfd_read(impl_->ready_fd.get(), &pokes);
  events.events.swap(impl_->ready);
  impl_->read_inotify(events);
  std::array<epoll_event, 64> polled{};
  const int count =
      ::epoll_wait(impl_->epoll.get(), polled.data(), static_cast<int>(polled.size()), 0);
  for (int i = 0; i < count; ++i) {
    const LeaseId lease(polled[static_cast<std::size_t>(i)].data.u64);
    const auto found = impl_->supervised.find(lease);
    if (found != impl_->supervised.end()) {
      impl_->supervisor_gone(lease, found->second, events.events);
    }
  }
  std::erase_if(impl_->forgotten_children,
                [](pid_t pid) { return ::waitpid(pid, nullptr, WNOHANG) != 0; });
  return events;
}

const std::vector<Level>& SandboxRuntime::levels() const { return impl_->levels; }
const std::vector<std::string>& SandboxRuntime::cgroup_parents() const { return impl_->cgroups; }

bool SandboxRuntime::offers_egress() const {
  return impl_->options.egress && impl_->egress_fault.empty();
}
const std::string& SandboxRuntime::disk_fault() const { return impl_->disk_fault; }
const std::string& SandboxRuntime::egress_fault() const { return impl_->egress_fault; }

// Does that very process watch over that lease?
bool SandboxRuntime::Impl::has_supervisor(LeaseId lease, pid_t supervisor) const {
  const std::string folder = folder_of(lease);
  const auto lock = open_file(folder + "/lock", O_RDWR);
  if (!lock || ::flock(lock->get(), LOCK_EX | LOCK_NB) == 0) return false;
  return supervisor_pid(folder) == supervisor;
}

// Takes up the files that tell of its start and its end, each once.
void SandboxRuntime::Impl::look(LeaseId lease, Supervised& one,
                                std::vector<agent::RuntimeEvent>& events) {
  const std::string folder = folder_of(lease);
  if (!one.saw_start) {
    if (const auto bytes = read_file(folder + "/started", kSmallFileBytesMax)) {
      one.saw_start = true;
      events.emplace_back(Started{lease, decode_time(*bytes).value_or(boot_time())});
    }
  }
  if (one.saw_exit) return;
  const auto bytes = read_file(folder + "/exit", kSmallFileBytesMax);
  if (!bytes) return;
  one.saw_exit = true;
  const auto file = decode_exit(*bytes);
  if (!file) {
    events.emplace_back(Exited{lease, {}, ExitCause::kLost, 0, 0, file.error().message});
    return;
  }
  events.emplace_back(Exited{lease, file->at, file->cause, file->exit_code, file->signal,
                             file->detail, file->egress_bytes});
}

void SandboxRuntime::Impl::read_inotify(Events& events) {
  std::set<LeaseId> grown;
  std::set<LeaseId> changed;
  alignas(inotify_event) std::array<char, 16 << 10> buffer;
  ssize_t n = 0;
  while ((n = ::read(inotify.get(), buffer.data(), buffer.size())) > 0) {
    for (ssize_t at = 0; at < n;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
      if ((event->mask & IN_Q_OVERFLOW) != 0) {
        for (const auto& [lease, one] : supervised) {
          grown.insert(lease);
          changed.insert(lease);
        }
      }
      const auto found = by_watch.find(event->wd);
      if (found == by_watch.end() || event->len == 0) continue;
      const std::string_view name = event->name;
      if (name == "stdout" || name == "stderr") grown.insert(found->second);
      if (name == "started" || name == "exit") changed.insert(found->second);
    }
  }
  for (const LeaseId lease : changed) look(lease, supervised[lease], events.events);
  events.logs_grown.assign(grown.begin(), grown.end());
}

void SandboxRuntime::Impl::supervisor_gone(LeaseId lease, Supervised& one,
                                           std::vector<agent::RuntimeEvent>& events) {
  ::epoll_ctl(epoll.get(), EPOLL_CTL_DEL, one.pid_fd.get(), nullptr);
  one.pid_fd.reset();
  if (one.child > 0) ::waitpid(std::exchange(one.child, -1), nullptr, WNOHANG);
  look(lease, one, events);
  if (one.saw_exit) return;
  one.saw_exit = true;
  const bool had_begun = ::access((folder_of(lease) + "/pid").c_str(), F_OK) == 0;
  events.emplace_back(Exited{lease,
                             {},
                             had_begun ? ExitCause::kLost : ExitCause::kStartFailed,
                             0,
                             0,
                             "the workload's supervisor ended unexpectedly"});
}

void SandboxRuntime::Impl::drop(LeaseId lease) {
  const auto found = supervised.find(lease);
  if (found == supervised.end()) return;
  Supervised& one = found->second;
  if (one.watch >= 0) {
    by_watch.erase(one.watch);
    ::inotify_rm_watch(inotify.get(), one.watch);
  }
  if (one.child > 0 && ::waitpid(one.child, nullptr, WNOHANG) == 0) {
    forgotten_children.push_back(one.child);
  }
  supervised.erase(found);
}

}  // namespace fallow::runtime
