#include "runtime/init/machine_root.h"

#include <dirent.h>
#include <fcntl.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include "runtime/init/first_process.h"
#include "runtime/init/guest_talk.h"

namespace fallow::init {
namespace {

void make_devices() {
  mount_at("dev", "/root/dev", "tmpfs", MS_NOSUID, "mode=755,size=64k");
  const struct {
    const char* path;
    unsigned major_number;
    unsigned minor_number;
  } nodes[] = {{"/root/dev/null", 1, 3},   {"/root/dev/zero", 1, 5},    {"/root/dev/full", 1, 7},
               {"/root/dev/random", 1, 8}, {"/root/dev/urandom", 1, 9}, {"/root/dev/tty", 5, 0}};
  for (const auto& node : nodes) {
    if (::mknod(node.path, S_IFCHR | 0666, makedev(node.major_number, node.minor_number)) != 0) {
      give_up("make its devices");
    }
  }
  for (const char* folder : {"/root/dev/pts", "/root/dev/shm"}) ::mkdir(folder, 0755);
  const char* const links[][2] = {{"/proc/self/fd", "/root/dev/fd"},
                                  {"/proc/self/fd/0", "/root/dev/stdin"},
                                  {"/proc/self/fd/1", "/root/dev/stdout"},
                                  {"/proc/self/fd/2", "/root/dev/stderr"},
                                  {"pts/ptmx", "/root/dev/ptmx"}};
  for (const auto& link : links) {
    if (::symlink(link[0], link[1]) != 0) give_up("make its devices");
  }
}

}  // namespace

void give_up(const std::string& doing) {
  std::fprintf(stderr, "the virtual machine cannot %s: %s\n", doing.c_str(), std::strerror(errno));
  ::tcdrain(STDERR_FILENO);
  // The emulator ends where the machine would start anew.
  ::reboot(RB_AUTOBOOT);
  ::_exit(kBrokenCode);
}

void mount_at(const char* what, const std::string& at, const char* type, unsigned long flags,
              const std::string& options) {
  if (::mount(what, at.c_str(), type, flags, options.c_str()) != 0) give_up("mount " + at);
}

void write_setting(const char* path, std::string_view text) {
  const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  (void)!::write(fd, text.data(), text.size());
  ::close(fd);
}

void mount_own() {
  for (const char* folder : {"/dev", "/proc", "/sys", "/root", "/private"}) ::mkdir(folder, 0755);
  mount_at("dev", "/dev", "devtmpfs", MS_NOSUID);
  const int console = ::open("/dev/ttyS0", O_RDWR | O_NOCTTY);
  for (int fd = 0; fd < 3 && console >= 0; ++fd) ::dup2(console, fd);
  if (console > STDERR_FILENO) ::close(console);
  mount_at("proc", "/proc", "proc", 0);
  mount_at("sys", "/sys", "sysfs", 0);
}

void load_modules() {
  std::vector<std::string> paths;
  if (DIR* folder = ::opendir("/modules")) {
    while (const dirent* entry = ::readdir(folder)) {
      if (entry->d_name[0] != '.') paths.push_back(std::string("/modules/") + entry->d_name);
    }
    ::closedir(folder);
  }
  std::sort(paths.begin(), paths.end());
  for (const std::string& path : paths) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0 || (::syscall(SYS_finit_module, fd, "", 0) != 0 && errno != EEXIST)) {
      give_up("load its driver " + path);
    }
    ::close(fd);
    // It is memory of the machine's.
    ::unlink(path.c_str());
  }
}

void mount_root(bool writable, const std::string& shared_memory_bytes) {
  constexpr unsigned long kPlain = MS_NOSUID | MS_NODEV;
  const std::string shared = "trans=virtio,version=9p2000.L,access=any,msize=262144,cache=";
  // The root is nobody else's, or changes for nobody. What is in the private folders is read by the
  // host while the workload runs, so there only what is mapped is held in memory.
  mount_at(kRootTag, "/root", "9p", kPlain | (writable ? 0 : MS_RDONLY), shared + "loose");
  mount_at(kPrivateTag, "/private", "9p", kPlain, shared + "mmap");
  for (const char* name : {"/work", "/out", "/tmp", "/checkpoint"}) {
    mount_at((std::string("/private") + name).c_str(), std::string("/root") + name, nullptr,
             MS_BIND);
  }
  // Programs count processors by these.
  for (const char* path : {"/sys/devices/system/cpu", "/sys/devices/system/node"}) {
    const std::string at = std::string("/root") + path;
    mount_at(path, at, nullptr, MS_BIND);
    mount_at(path, at, nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY | kPlain | MS_NOEXEC);
  }
  make_devices();
  mount_at("pts", "/root/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
           "newinstance,ptmxmode=0666,mode=0620");
  mount_at("shm", "/root/dev/shm", "tmpfs", kPlain, "mode=1777,size=" + shared_memory_bytes);
  mount_at("dev", "/root/dev", nullptr, MS_REMOUNT | MS_RDONLY | MS_NOSUID);
}

void raise_loopback() {
  const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq wish{};
  std::strcpy(wish.ifr_name, "lo");
  wish.ifr_flags = IFF_UP | IFF_RUNNING;
  ::ioctl(socket, SIOCSIFFLAGS, &wish);
  ::close(socket);
}

}  // namespace fallow::init
