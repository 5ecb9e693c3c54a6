#include "runtime/syscalls.h"

#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"

namespace fallow::runtime {
namespace {

constexpr std::string_view kAllowed =
    // Files.
    "access chdir chmod chown close close_range copy_file_range creat dup dup2 dup3 faccessat "
    "faccessat2 fadvise64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl "
    "fdatasync fgetxattr flistxattr flock fremovexattr fsetxattr fstat fstatfs fsync ftruncate "
    "futimesat getcwd getdents getdents64 getrandom getxattr ioctl lchown lgetxattr link linkat "
    "listxattr llistxattr lremovexattr lseek lsetxattr lstat mkdir mkdirat mknod mknodat "
    "newfstatat open openat openat2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read "
    "readahead readlink readlinkat readv removexattr rename renameat renameat2 rmdir sendfile "
    "setxattr stat statfs statx symlink symlinkat sync sync_file_range syncfs truncate unlink "
    "unlinkat utime utimensat utimes write writev "
    // Memory.
    "brk cachestat get_mempolicy madvise mbind memfd_create mincore mlock mlock2 mlockall mmap "
    "mprotect mremap msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect "
    "process_madvise remap_file_pages set_mempolicy set_mempolicy_home_node "
    // Processes, threads, identity and limits.
    "arch_prctl capget capset execve execveat exit exit_group fork futex futex_waitv "
    "get_robust_list get_thread_area getcpu getegid geteuid getgid getgroups getpgid getpgrp "
    "getpid getppid getpriority getresgid getresuid getrlimit getrusage getsid gettid getuid "
    "ioprio_get ioprio_set kill landlock_add_rule landlock_create_ruleset landlock_restrict_self "
    "membarrier pidfd_open pidfd_send_signal prctl prlimit64 restart_syscall rseq "
    "sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr "
    "sched_getparam sched_getscheduler sched_rr_get_interval sched_setaffinity sched_setattr "
    "sched_setparam sched_setscheduler sched_yield seccomp set_robust_list set_thread_area "
    "set_tid_address setfsgid setfsuid setgid setgroups setpgid setpriority setregid setresgid "
    "setresuid setreuid setrlimit setsid setuid sysinfo tgkill times tkill umask uname vfork "
    "wait4 waitid "
    // Signals.
    "alarm pause rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn "
    "rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo sigaltstack signalfd signalfd4 "
    // Clocks and timers.
    "clock_getres clock_gettime clock_nanosleep getitimer gettimeofday nanosleep setitimer time "
    "timer_create timer_delete timer_getoverrun timer_gettime timer_settime "
    // Waiting.
    "epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait "
    "epoll_wait_old inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel "
    "io_destroy io_getevents io_setup io_submit poll ppoll pselect6 select timerfd_create "
    "timerfd_gettime timerfd_settime "
    // Pipes, queues, shared memory and semaphores, all of the sandbox's own namespace.
    "eventfd eventfd2 mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink "
    "msgctl msgget msgrcv msgsnd pipe pipe2 semctl semget semop semtimedop shmat shmctl shmdt "
    "shmget splice tee "
    // Sockets. Which families is a rule of its own below.
    "accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg "
    "recvmsg sendmmsg sendmsg sendto setsockopt shutdown socketpair ";

// Answered with "not permitted": a program that tries one of them should hear that it may not. All
// others that are not listed are answered with "no such call", so that programs made for newer
// kernels fall back to what they did before.
constexpr std::string_view kForbidden =
    "acct add_key adjtimex bpf chroot clock_adjtime clock_settime delete_module fanotify_init "
    "finit_module fsconfig fsmount fsopen fspick init_module io_uring_enter io_uring_register "
    "io_uring_setup ioperm iopl kcmp kexec_file_load kexec_load keyctl mount mount_setattr "
    "move_mount move_pages name_to_handle_at nfsservctl open_by_handle_at open_tree "
    "perf_event_open pidfd_getfd pivot_root process_vm_readv process_vm_writev ptrace quotactl "
    "reboot request_key setdomainname sethostname setns settimeofday swapoff swapon syslog "
    "umount2 unshare uselib userfaultfd vhangup";

// A call that is allowed when one of its arguments is right.
struct Condition {
  std::string_view call;
  unsigned argument;
  std::uint64_t mask;  // argument & mask == value
  std::uint64_t value;
};
constexpr std::uint64_t kWhole = ~std::uint64_t{0};
constexpr std::uint64_t kNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                      CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
constexpr std::array kConditions = {
    // Threads and processes, but no namespaces. clone3 hides its flags in memory, so it is one of
    // the calls that do not exist. Process 1 says so once more (runtime/init/init.cc).
    Condition{"clone", 0, kNamespaces, 0},
    Condition{"socket", 0, kWhole, AF_UNIX},
    Condition{"socket", 0, kWhole, AF_INET},
    Condition{"socket", 0, kWhole, AF_INET6},
    Condition{"socket", 0, kWhole, AF_NETLINK},
    // Only those that setarch(8) and emulators of old programs use: none that weakens memory.
    Condition{"personality", 0, kWhole, PER_LINUX},
    Condition{"personality", 0, kWhole, PER_LINUX32},
    Condition{"personality", 0, kWhole, UNAME26},
    Condition{"personality", 0, kWhole, std::uint64_t{UNAME26} | PER_LINUX32},
    Condition{"personality", 0, kWhole, 0xFFFFFFFF},
};

std::vector<std::string> names_of_calls(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    if (!word.empty()) words.emplace_back(word);
    text.remove_prefix(std::min(text.size(), word.size() + 1));
  }
  return words;
}

void put_names(JsonText& json, const std::vector<std::string>& names, std::string_view action) {
  json.open_object().key("names").open_array();
  for (const std::string& name : names) json.value(name);
  json.close_array().key("action").value(action);
}

Error not_made(int error) {
  return file_error("make", "the filter of system calls", error < 0 ? -error : error);
}

}  // namespace

void put_seccomp(JsonText& json, bool leaves_clone3) {
  json.open_object();
  json.key("defaultAction").value("SCMP_ACT_ERRNO").key("defaultErrnoRet").value(ENOSYS);
  json.key("architectures").open_array().value("SCMP_ARCH_X86_64").close_array();
  json.key("syscalls").open_array();
  std::vector<std::string> allowed = names_of_calls(kAllowed);
  if (leaves_clone3) allowed.emplace_back("clone3");
  put_names(json, allowed, "SCMP_ACT_ALLOW");
  json.close_object();
  put_names(json, names_of_calls(kForbidden), "SCMP_ACT_ERRNO");
  json.key("errnoRet").value(EPERM).close_object();
  for (const Condition& one : kConditions) {
    put_names(json, {std::string(one.call)}, "SCMP_ACT_ALLOW");
    json.key("args").open_array().open_object();
    json.key("index").value(std::uint32_t{one.argument});
    const bool whole = one.mask == kWhole;
    json.key("value").value(whole ? one.value : one.mask);
    if (!whole) json.key("valueTwo").value(one.value);
    json.key("op").value(whole ? "SCMP_CMP_EQ" : "SCMP_CMP_MASKED_EQ");
    json.close_object().close_array().close_object();
  }
  json.close_array().close_object();
}

Result<std::string> seccomp_program() {
  const std::unique_ptr<void, void (*)(scmp_filter_ctx)> filter(
      ::seccomp_init(SCMP_ACT_ERRNO(ENOSYS)), ::seccomp_release);
  if (!filter) return tl::unexpected(not_made(ENOMEM));
  // A tree instead of a chain: the last call of the list is as quick as the first.
  ::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
  // A name that this libseccomp does not know is a call that programs can do without.
  for (const std::string& name : names_of_calls(kAllowed)) {
    const int number = ::seccomp_syscall_resolve_name(name.c_str());
    if (number < 0) continue;
    if (const int error = ::seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, number, 0); error != 0) {
      return tl::unexpected(not_made(error));
    }
  }
  for (const std::string& name : names_of_calls(kForbidden)) {
    const int number = ::seccomp_syscall_resolve_name(name.c_str());
    if (number < 0) continue;
    if (const int error = ::seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EPERM), number, 0);
        error != 0) {
      return tl::unexpected(not_made(error));
    }
  }
  for (const Condition& one : kConditions) {
    const int number = ::seccomp_syscall_resolve_name(std::string(one.call).c_str());
    const scmp_arg_cmp argument{one.argument, SCMP_CMP_MASKED_EQ, one.mask, one.value};
    const int error = ::seccomp_rule_add_array(filter.get(), SCMP_ACT_ALLOW, number, 1, &argument);
    if (error != 0) return tl::unexpected(not_made(error));
  }
  FALLOW_ASSIGN(const Fd program, memory_file("seccomp", ""));
  if (const int error = ::seccomp_export_bpf(filter.get(), program.get()); error != 0) {
    return tl::unexpected(not_made(error));
  }
  std::string bytes(static_cast<std::size_t>(::lseek(program.get(), 0, SEEK_END)), '\0');
  FALLOW_TRY(read_at(program, bytes, 0, "the filter of system calls"));
  return bytes;
}

}  // namespace fallow::runtime
