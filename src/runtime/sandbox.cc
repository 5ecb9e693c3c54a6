#include "runtime/sandbox.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <string_view>

#include "runtime/processes.h"

namespace fallow::runtime {
namespace {

constexpr std::uint32_t kInnerUid = 65534;
constexpr rlim_t kOpenFilesMax = 65536;
// Processes beyond this score go first when the host itself runs out of memory.
constexpr std::string_view kOomScore = "500";
constexpr std::uint64_t kSharedMemoryBytesMin = std::uint64_t{64} << 20;

void close_range_on_exec(int first) {
  // CLOSE_RANGE_CLOEXEC is 4; the headers of glibc 2.36 do not name it without linux/close_range.h.
  ::syscall(SYS_close_range, first, ~0U, 4U);
}

Status make_folder(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) {
    return tl::unexpected(file_error("make", path, errno));
  }
  return {};
}

Status write_text(const std::string& path, std::string_view text) {
  FALLOW_ASSIGN(const Fd file, open_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));
  FALLOW_TRY(write_all(file, text, path));
  // Whatever the umask of the agent is.
  ::fchmod(file.get(), 0644);
  return {};
}

Status write_etc(const std::string& folder) {
  FALLOW_TRY(make_folder(folder, 0755));
  FALLOW_TRY(write_text(folder + "/passwd", "worker:x:65534:65534:the workload:/work:/bin/sh\n"));
  FALLOW_TRY(write_text(folder + "/group", "worker:x:65534:\n"));
  FALLOW_TRY(write_text(folder + "/hosts", "127.0.0.1 localhost fallow\n::1 localhost\n"));
  return write_text(folder + "/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n");
}

// A mount namespace of our own with the folders in a place that every user can reach. False when
// we may not make one; then nothing has changed.
Result<bool> stage(const std::string& lease_folder) {
  constexpr const char* kStage = "/tmp";
  if (::unshare(CLONE_NEWNS) != 0) return false;
  // Only now, for nothing of another namespace can be bound; and before its path is covered.
  FALLOW_ASSIGN(const Fd folder, open_file(lease_folder, O_RDONLY | O_DIRECTORY));
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      ::mount("fallow", kStage, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=0755") != 0) {
    return tl::unexpected(file_error("mount over", kStage, errno));
  }
  for (const std::string_view name : {"work", "out", "tmp"}) {
    const std::string at = std::string(kStage) + "/" + std::string(name);
    const std::string from =
        "/proc/self/fd/" + std::to_string(folder.get()) + "/" + std::string(name);
    FALLOW_TRY(make_folder(at, 0755));
    if (::mount(from.c_str(), at.c_str(), nullptr, MS_BIND, nullptr) != 0) {
      return tl::unexpected(file_error("mount", at, errno));
    }
  }
  return true;
}

void append(std::vector<std::string>& to, std::initializer_list<std::string_view> arguments) {
  for (const std::string_view argument : arguments) to.emplace_back(argument);
}

void bind_read_only(std::vector<std::string>& to, std::string_view path) {
  append(to, {"--ro-bind-try", path, path});
}

// The system's folders: links such as /lib -> usr/lib stay links, real folders are bound.
void add_system_folders(std::vector<std::string>& to) {
  append(to, {"--ro-bind", "/usr", "/usr"});
  for (const char* path : {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}) {
    std::array<char, 256> link{};
    const ssize_t size = ::readlink(path, link.data(), link.size());
    if (size > 0) {
      append(to,
             {"--symlink", std::string_view(link.data(), static_cast<std::size_t>(size)), path});
    } else {
      bind_read_only(to, path);
    }
  }
  for (const char* path :
       {"/etc/OpenCL", "/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf",
        "/etc/ld.so.conf.d", "/etc/ssl/certs", "/etc/ca-certificates", "/etc/localtime",
        "/sys/devices/system/cpu", "/sys/devices/system/node"}) {
    bind_read_only(to, path);
  }
}

void add_devices(std::vector<std::string>& to, const LaunchFile& launch) {
  bool has_dri = false;
  for (const std::string& device : launch.spec.device_files) {
    append(to, {"--dev-bind-try", device, device});
    has_dri = has_dri || device.starts_with("/dev/dri/") || device == "/dev/kfd";
  }
  if (!has_dri) return;
  // Mesa and ROCm find what a render node is through these.
  for (const char* path :
       {"/sys/dev/char", "/sys/bus/pci", "/sys/devices", "/sys/class/drm", "/sys/class/kfd"}) {
    bind_read_only(to, path);
  }
}

void set_limit(int resource, rlim_t value) {
  rlimit limit{};
  ::getrlimit(static_cast<__rlimit_resource_t>(resource), &limit);
  limit.rlim_max = ::geteuid() == 0 ? value : std::min(limit.rlim_max, value);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(static_cast<__rlimit_resource_t>(resource), &limit);
}

// The groups of the device files: /dev/dri/renderD128 belongs to "render". Inside they show as the
// overflow group.
std::vector<gid_t> device_groups(const LaunchFile& launch) {
  std::vector<gid_t> groups;
  for (const std::string& device : launch.spec.device_files) {
    struct stat info {};
    if (::stat(device.c_str(), &info) != 0 || !S_ISCHR(info.st_mode) || info.st_gid == 0) continue;
    if (std::find(groups.begin(), groups.end(), info.st_gid) == groups.end()) {
      groups.push_back(info.st_gid);
    }
  }
  return groups;
}

[[noreturn]] void give_up(std::string_view doing) {
  const std::string sentence =
      "bwrap: " + file_error(doing, "the sandbox's process", errno).message;
  [[maybe_unused]] const ssize_t n = ::write(STDERR_FILENO, sentence.data(), sentence.size());
  ::_exit(126);
}

struct ChildPipes {
  int out;
  int err;
};

// In the forked process: everything between it and bubblewrap.
[[noreturn]] void become_sandbox(const LaunchFile& launch, const Cgroup& cgroup, ChildPipes pipes,
                                 int args_fd, int status_fd) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  ::dup2(null.get(), STDIN_FILENO);
  ::dup2(pipes.out, STDOUT_FILENO);
  ::dup2(pipes.err, STDERR_FILENO);
  if (!cgroup.join()) give_up("put into its control groups");
  {
    const auto score = open_file("/proc/self/oom_score_adj", O_WRONLY);
    if (score) (void)write_all(*score, kOomScore, "oom_score_adj");
  }
  set_limit(RLIMIT_CORE, 0);
  set_limit(RLIMIT_NOFILE, kOpenFilesMax);
  if (launch.spec.disk_bytes_max > 0) set_limit(RLIMIT_FSIZE, launch.spec.disk_bytes_max);
  if (!cgroup.limits_processes()) set_limit(RLIMIT_NPROC, launch.spec.processes_max);
  if (launch.uid != 0) {
    const std::vector<gid_t> groups = device_groups(launch);
    if (::setgroups(groups.size(), groups.data()) != 0 ||
        ::setresgid(launch.uid, launch.uid, launch.uid) != 0 ||
        ::setresuid(launch.uid, launch.uid, launch.uid) != 0) {
      give_up("change the user of");
    }
    // Becoming another user has cleared it.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  }
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int signal : {SIGPIPE, SIGTERM, SIGINT, SIGHUP}) ::signal(signal, SIG_DFL);
  ::umask(022);
  if (::chdir("/") != 0) give_up("enter the root for");

  close_range_on_exec(3);
  for (const int fd : {args_fd, status_fd}) ::fcntl(fd, F_SETFD, 0);
  // bubblewrap takes its options from the descriptor, but the command only from its own arguments.
  std::vector<std::string> words = {"bwrap", "--args", std::to_string(args_fd), "--"};
  words.insert(words.end(), launch.spec.command.begin(), launch.spec.command.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const std::array<char*, 1> envp{nullptr};
  ::execve(launch.bwrap.c_str(), argv.data(), envp.data());
  give_up("run bubblewrap as");
}

}  // namespace

Result<SandboxFolders> make_sandbox_folders(const std::string& lease_folder, std::uint32_t uid) {
  SandboxFolders folders;
  if (::geteuid() == 0) {
    for (const std::string_view name : {"work", "out", "tmp"}) {
      const std::string path = lease_folder + "/" + std::string(name);
      if (uid != 0 && !give_tree(path, uid)) {
        return fail(ErrorCode::kFailed, "cannot give {} to the sandbox's user", path);
      }
    }
    FALLOW_ASSIGN(const bool staged, stage(lease_folder));
    if (staged) {
      folders = {"/tmp/work", "/tmp/out", "/tmp/tmp", "/tmp/etc"};
      FALLOW_TRY(write_etc(folders.etc));
      return folders;
    }
  }
  folders = {lease_folder + "/work", lease_folder + "/out", lease_folder + "/tmp",
             lease_folder + "/etc"};
  FALLOW_TRY(write_etc(folders.etc));
  return folders;
}

std::vector<std::string> sandbox_arguments(const LaunchFile& launch,
                                           const SandboxFolders& folders) {
  const agent::LaunchSpec& spec = launch.spec;
  const std::string inner = std::to_string(kInnerUid);
  std::vector<std::string> arguments;
  append(arguments,
         {"--unshare-user", "--disable-userns", "--uid", inner, "--gid", inner, "--unshare-ipc",
          "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try", "--hostname", "fallow",
          "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv"});
  if (!spec.network) append(arguments, {"--unshare-net"});
  add_system_folders(arguments);
  if (spec.network) {
    bind_read_only(arguments, "/etc/resolv.conf");
    bind_read_only(arguments, "/etc/services");
    bind_read_only(arguments, "/etc/protocols");
  }
  for (const std::string_view name : {"passwd", "group", "hosts", "nsswitch.conf"}) {
    const std::string file(name);
    append(arguments, {"--ro-bind", folders.etc + "/" + file, "/etc/" + file});
  }
  append(arguments, {"--proc", "/proc", "--dev", "/dev"});
  const std::string shared_memory =
      std::to_string(std::max(spec.memory_bytes_max / 2, kSharedMemoryBytesMin));
  append(arguments, {"--perms", "1777", "--size", shared_memory, "--tmpfs", "/dev/shm"});
  add_devices(arguments, launch);
  append(arguments,
         {"--bind", folders.work, "/work", "--bind", folders.out, "/out", "--bind", folders.tmp,
          "/tmp", "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/work"});
  for (const auto& [name, value] : spec.environment) append(arguments, {"--setenv", name, value});
  return arguments;
}

Result<SandboxProcess> launch_sandbox(const LaunchFile& launch, const SandboxFolders& folders,
                                      const Cgroup& cgroup) {
  std::array<int, 2> out{};
  std::array<int, 2> err{};
  std::array<int, 2> status{};
  for (auto* ends : {&out, &err, &status}) {
    if (::pipe2(ends->data(), O_CLOEXEC) != 0) {
      return tl::unexpected(file_error("make", "a pipe", errno));
    }
    ::fcntl((*ends)[0], F_SETFL, O_NONBLOCK);
  }
  const Fd out_end(out[1]);
  const Fd err_end(err[1]);
  const Fd status_end(status[1]);
  SandboxProcess process{-1, Fd(out[0]), Fd(err[0]), Fd(status[0])};

  std::string text;
  for (const std::string& argument : sandbox_arguments(launch, folders)) {
    text.append(argument).push_back('\0');
  }
  for (const std::string& argument :
       {std::string("--json-status-fd"), std::to_string(status_end.get())}) {
    text.append(argument).push_back('\0');
  }
  text.pop_back();
  const Fd arguments(::memfd_create("arguments", MFD_CLOEXEC));
  if (!arguments) return tl::unexpected(file_error("make", "a file in memory", errno));
  FALLOW_TRY(write_all(arguments, text, "the sandbox's arguments"));
  ::lseek(arguments.get(), 0, SEEK_SET);

  process.pid = ::fork();
  if (process.pid == 0) {
    become_sandbox(launch, cgroup, {out_end.get(), err_end.get()}, arguments.get(),
                   status_end.get());
  }
  if (process.pid < 0) return tl::unexpected(file_error("start", "bubblewrap", errno));
  return process;
}

}  // namespace fallow::runtime
