#include "runtime/image_mount.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "runtime/private_folders.h"

namespace fallow::runtime {
namespace {

constexpr unsigned long kPlain = MS_NOSUID | MS_NODEV;

// A user namespace in which the image's only owner, user and group 0, is the lease's user. It is
// the process that holds it; none is left afterwards.
Result<Fd> owner_namespace(std::uint32_t uid) {
  std::array<int, 2> ready{};
  if (::pipe2(ready.data(), O_CLOEXEC) != 0) {
    return tl::unexpected(file_error("make", "a pipe", errno));
  }
  const Fd ready_end(ready[0]);
  Fd say_end(ready[1]);
  const pid_t holder = ::fork();
  if (holder < 0) return tl::unexpected(file_error("start", "a process", errno));
  if (holder == 0) {
    const char said = ::unshare(CLONE_NEWUSER) == 0 ? '1' : '0';
    (void)!::write(say_end.get(), &said, 1);
    while (true) ::pause();
  }
  say_end.reset();
  auto held = [&]() -> Result<Fd> {
    char said = '0';
    if (::read(ready_end.get(), &said, 1) != 1 || said != '1') {
      return fail(ErrorCode::kFailed, "no user namespace can be made");
    }
    const std::string proc = "/proc/" + std::to_string(holder);
    const std::string map = "0 " + std::to_string(uid) + " 1\n";
    for (const char* name : {"/uid_map", "/gid_map"}) {
      FALLOW_ASSIGN(const Fd file, open_file(proc + name, O_WRONLY));
      FALLOW_TRY(write_all(file, map, name));
    }
    return open_file(proc + "/ns/user", O_RDONLY);
  }();
  ::kill(holder, SIGKILL);
  while (::waitpid(holder, nullptr, 0) < 0 && errno == EINTR) {
  }
  return held;
}

// The tree at `at`, as the lease's; false where the kernel cannot.
bool mount_owned(const Fd& tree, std::uint32_t uid, const std::string& at) {
  const auto owner = owner_namespace(uid);
  if (!owner) return false;
  const Fd copy(static_cast<int>(::syscall(SYS_open_tree, tree.get(), "",
                                           OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH)));
  if (!copy) return false;
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  attributes.userns_fd = static_cast<std::uint64_t>(owner->get());
  return ::syscall(SYS_mount_setattr, copy.get(), "", AT_EMPTY_PATH, &attributes,
                   sizeof(attributes)) == 0 &&
         ::syscall(SYS_move_mount, copy.get(), "", AT_FDCWD, at.c_str(), MOVE_MOUNT_F_EMPTY_PATH) ==
             0;
}

Status mount_plain(const Fd& tree, const std::string& at) {
  const std::string from = "/proc/self/fd/" + std::to_string(tree.get());
  if (::mount(from.c_str(), at.c_str(), nullptr, MS_BIND, nullptr) != 0 ||
      ::mount("none", at.c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY | kPlain, nullptr) !=
          0) {
    return tl::unexpected(file_error("mount", at, errno));
  }
  return {};
}

bool mount_overlay(const std::string& below, const std::string& above, std::uint32_t uid,
                   const std::string& at) {
  for (const char* name : {"/upper", "/work"}) {
    const std::string path = above + name;
    if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return false;
  }
  const std::string upper = above + "/upper";
  // The root's own owner and rights are the upper folder's.
  if (::chmod(upper.c_str(), 0755) != 0 || ::chown(upper.c_str(), uid, uid) != 0) return false;
  const std::string options =
      "lowerdir=" + below + ",upperdir=" + upper + ",workdir=" + above + "/work";
  return ::mount("overlay", at.c_str(), "overlay", kPlain, options.c_str()) == 0;
}

}  // namespace

Result<bool> mount_image(const Fd& tree, const Fd& layer, std::uint32_t uid,
                         const std::string& scratch, const std::string& at) {
  const std::string below = scratch + "/image";
  const std::string above = scratch + "/layer";
  for (const std::string& path : {below, above, at}) FALLOW_TRY(make_open_folder(path));
  const std::string from = "/proc/self/fd/" + std::to_string(layer.get());
  if (::mount(from.c_str(), above.c_str(), nullptr, MS_BIND, nullptr) != 0) {
    return tl::unexpected(file_error("mount", above, errno));
  }
  if (mount_owned(tree, uid, below)) {
    if (mount_overlay(below, above, uid, at)) return true;
    // An overlay takes no such mount before Linux 5.19.
    ::umount2(below.c_str(), MNT_DETACH);
  }
  FALLOW_TRY(mount_plain(tree, below));
  if (mount_overlay(below, above, uid, at)) return true;
  FALLOW_TRY(mount_plain(tree, at));
  return false;
}

}  // namespace fallow::runtime
