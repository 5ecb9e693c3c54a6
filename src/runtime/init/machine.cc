#include "runtime/init/machine.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "runtime/init/first_process.h"
#include "runtime/init/guest_talk.h"
#include "runtime/init/machine_root.h"
#include "tunnel/endpoint.h"
#include "tunnel/request.h"

namespace fallow::init {
namespace {

using tunnel::MuxEvent;

constexpr uid_t kWorker = 65534;
constexpr int kPortTries = 24'000;  // of 5 ms: an emulated processor is slow
constexpr int kCapabilities = 64;   // more than there are

std::string read_whole(const char* path) {
  std::string bytes;
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return bytes;
  char buffer[4096];
  for (ssize_t n = 0; (n = ::read(fd, buffer, sizeof(buffer))) > 0;) {
    bytes.append(buffer, static_cast<std::size_t>(n));
  }
  ::close(fd);
  return bytes;
}

// What the workload gets of /spec.
struct Spec {
  bool root_writable = false;
  std::string shared_memory_bytes;
  std::vector<std::pair<__rlimit_resource_t, rlim_t>> limits;
  std::vector<std::string> environment;
  std::vector<std::string> words;
};

Spec read_spec() {
  Spec spec;
  const std::string text = read_whole("/spec");
  // It holds the renter's secrets.
  ::unlink("/spec");
  for (std::size_t at = 0; at < text.size();) {
    const std::string line = text.c_str() + at;
    at += line.size() + 1;
    const std::string key = line.substr(0, line.find(' '));
    const std::string value = line.substr(std::min(key.size() + 1, line.size()));
    const auto limit = [&](__rlimit_resource_t resource) {
      spec.limits.emplace_back(resource, std::strtoull(value.c_str(), nullptr, 10));
    };
    if (key == "root") spec.root_writable = value == "rw";
    if (key == "shm") spec.shared_memory_bytes = value;
    if (key == "nofile") limit(RLIMIT_NOFILE);
    if (key == "fsize") limit(RLIMIT_FSIZE);
    if (key == "core") limit(RLIMIT_CORE);
    if (key == "nproc") limit(RLIMIT_NPROC);
    if (key == "env") spec.environment.push_back(value);
    if (key == "word") spec.words.push_back(value);
  }
  if (spec.words.empty()) {
    errno = EINVAL;
    give_up("read what to run");
  }
  return spec;
}

// The port, once the keeper's end is there, too.
int open_port() {
  int port = -1;
  for (int tries = 0; tries < kPortTries; ++tries) {
    if (port < 0) port = ::open(kPort, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    pollfd there{port, POLLOUT, 0};
    if (port >= 0 && ::poll(&there, 1, 0) >= 0 && (there.revents & POLLHUP) == 0) return port;
    ::usleep(5'000);
  }
  give_up("find its port");
}

// In the child that becomes the workload's first process: `standard` are its three descriptors.
[[noreturn]] void become_first(const Spec& spec, std::string& filter, const int (&standard)[3]) {
  ::setsid();
  for (int fd = 0; fd < 3; ++fd) ::dup2(standard[fd], fd);
  ::syscall(SYS_close_range, 3, ~0U, 0U);
  write_setting("/proc/self/oom_score_adj", "0");
  if (::unshare(CLONE_NEWNS) != 0) give_up("part its mounts");
  mount_at("proc", "/root/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC);
  if (::chdir("/root") != 0 || ::mount(".", "/", nullptr, MS_MOVE, nullptr) != 0 ||
      ::chroot(".") != 0 || ::chdir("/work") != 0) {
    give_up("enter its root");
  }
  for (const auto& [resource, value] : spec.limits) {
    const rlimit both{value, value};
    if (::setrlimit(resource, &both) != 0) give_up("limit the workload");
  }
  for (int one = 0; one < kCapabilities; ++one) ::prctl(PR_CAPBSET_DROP, one, 0, 0, 0);
  if (::setgroups(0, nullptr) != 0 || ::setresgid(kWorker, kWorker, kWorker) != 0 ||
      ::setresuid(kWorker, kWorker, kWorker) != 0) {
    give_up("change the workload's user");
  }
  const sock_fprog program{static_cast<unsigned short>(filter.size() / sizeof(sock_filter)),
                           reinterpret_cast<sock_filter*>(filter.data())};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0) {
    give_up("filter the workload's system calls");
  }
  ::clearenv();
  for (const std::string& one : spec.environment) {
    const std::size_t equals = one.find('=');
    if (equals == std::string::npos) continue;
    ::setenv(one.substr(0, equals).c_str(), one.c_str() + equals + 1, 1);
  }
  std::vector<std::string> words = spec.words;
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  ::umask(022);
  ::signal(SIGPIPE, SIG_DFL);
  ::_exit(be_first(-1, false, argv.data()));
}

// Whether the machine's kernel has ended something for want of memory.
bool ran_out_of_memory() {
  constexpr std::string_view kCount = "\noom_kill ";
  const std::string counts = read_whole("/proc/vmstat");
  const std::size_t at = counts.find(kCount);
  return at != std::string::npos && counts[at + kCount.size()] != '0';
}

class Machine {
 public:
  Machine(int port, int signals, Spec spec, std::string filter)
      : endpoint_(port, tunnel::Side::kSandbox),
        signals_(tunnel::own(signals)),
        spec_(std::move(spec)),
        filter_(std::move(filter)) {}
  void serve();

 private:
  void hear(const MuxEvent& event);
  void begin(std::uint32_t stream);
  void connect(std::uint32_t stream);
  void reap();
  void say_end();

  tunnel::Endpoint endpoint_;
  const tunnel::SharedDescriptor signals_;
  const Spec spec_;
  std::string filter_;
  std::uint32_t run_ = 0;  // 0: not yet
  pid_t workload_ = -1;
  int door_ = -1;
  int sources_open_ = 0;
  bool is_over_ = false;
  std::uint32_t code_ = 0;
};

void Machine::serve() {
  endpoint_.on_event([this](const MuxEvent& event) { hear(event); });
  endpoint_.watch(signals_, POLLIN, [this] {
    reap();
    return true;
  });
  while (endpoint_.turn()) {
  }
}

void Machine::hear(const MuxEvent& event) {
  if (event.kind == MuxEvent::Kind::kOpened) {
    if (event.bytes == kRunRequest && run_ == 0) {
      begin(event.stream);
    } else if (event.bytes == kDoorRequest) {
      connect(event.stream);
    } else {
      endpoint_.mux().reset(event.stream, "the virtual machine does not know this request");
    }
    return;
  }
  tunnel::Note note;
  if (event.kind != MuxEvent::Kind::kNote || event.stream != run_ ||
      !tunnel::decode_note(event.bytes, note)) {
    return;
  }
  // All but this process; the workload's first one hears no signals.
  if (const auto* signal = std::get_if<tunnel::SignalNote>(&note)) {
    ::kill(-1, static_cast<int>(signal->number));
  }
}

void Machine::begin(std::uint32_t stream) {
  run_ = stream;
  int out[2];
  int err[2];
  int door[2];
  if (::pipe2(out, O_CLOEXEC) != 0 || ::pipe2(err, O_CLOEXEC) != 0 ||
      ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, door) != 0 ||
      ::unshare(CLONE_NEWPID) != 0) {
    give_up("part the workload's processes");
  }
  workload_ = ::fork();
  if (workload_ < 0) give_up("start the workload");
  if (workload_ == 0) become_first(spec_, filter_, {door[1], out[1], err[1]});
  for (const int theirs : {door[1], out[1], err[1]}) ::close(theirs);
  door_ = door[0];
  sources_open_ = 2;
  const auto at_end = [this] {
    --sources_open_;
    say_end();
  };
  endpoint_.add_source(stream, tunnel::kOut, tunnel::own(out[0]), at_end);
  endpoint_.add_source(stream, tunnel::kErr, tunnel::own(err[0]), at_end);
}

void Machine::connect(std::uint32_t stream) {
  int pair[2];
  if (door_ < 0 || ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
    endpoint_.mux().reset(stream, "nothing runs in the virtual machine");
    return;
  }
  const tunnel::SharedDescriptor ours = tunnel::own(pair[0]);
  char letter = 'c';
  iovec data{&letter, 1};
  alignas(cmsghdr) char space[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = space;
  message.msg_controllen = sizeof(space);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &pair[1], sizeof(int));
  (void)!::sendmsg(door_, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  ::close(pair[1]);
  endpoint_.add_source(stream, 0, ours);
  endpoint_.add_sink(stream, 0, ours, tunnel::AtEnd::kShutdown);
}

void Machine::reap() {
  signalfd_siginfo info{};
  while (::read(signals_->get(), &info, sizeof(info)) > 0) {
  }
  int status = 0;
  for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
    if (pid != workload_) continue;
    is_over_ = true;
    code_ = static_cast<std::uint32_t>(code_of(status));
    // With its first process all of it has ended, so its output ends, too.
    say_end();
  }
}

void Machine::say_end() {
  if (!is_over_ || sources_open_ > 0) return;
  // What it wrote to its files is the host's before the host hears of its end.
  ::sync();
  const std::string reason(ran_out_of_memory() ? kOutOfMemory : std::string_view());
  endpoint_.mux().send_note(run_, tunnel::encode_note(tunnel::ExitNote{code_, reason}));
  endpoint_.mux().end(run_);
}

}  // namespace

void run_machine() {
  // Devices have the rights that they are made with.
  ::umask(0);
  mount_own();
  sigset_t all;
  ::sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  sigset_t child_signal;
  ::sigemptyset(&child_signal);
  ::sigaddset(&child_signal, SIGCHLD);
  const int signals = ::signalfd(-1, &child_signal, SFD_CLOEXEC);
  ::signal(SIGPIPE, SIG_IGN);
  write_setting("/proc/self/oom_score_adj", "-1000");
  write_setting("/proc/sys/user/max_user_namespaces", "0");
  ::sethostname("fallow", 6);
  raise_loopback();
  Spec spec = read_spec();
  std::string filter = read_whole("/filter");
  load_modules();
  mount_root(spec.root_writable, spec.shared_memory_bytes);
  Machine(open_port(), signals, std::move(spec), std::move(filter)).serve();
  errno = EPIPE;
  give_up("go on without its keeper");
}

}  // namespace fallow::init
