#include "runtime/image_tree.h"

#include <fcntl.h>
#include <fts.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <string_view>

#include "base/file.h"
#include "runtime/driver_files.h"
#include "runtime/host_root.h"
#include "runtime/processes.h"
#include "runtime/sandbox_init.h"

namespace fallow::runtime {
namespace {

constexpr std::uint64_t kNameBytes = 4096;  // even an empty file takes room
constexpr mode_t kRightsMask = 01777;       // without set-user-id and set-group-id

// Folders can be entered and emptied by their owner, so that what is here can be removed.
Status settle(const FTSENT& entry, std::uint64_t& bytes) {
  const struct stat& info = *entry.fts_statp;
  switch (entry.fts_info) {
    case FTS_DP:
    case FTS_SL:
    case FTS_SLNONE:
      return {};
    case FTS_D:
    case FTS_F: {
      bytes += kNameBytes + static_cast<std::uint64_t>(info.st_blocks) * 512;
      const mode_t owner = entry.fts_info == FTS_D ? 0700 : 0400;
      const mode_t wanted = (info.st_mode & kRightsMask) | owner;
      if (wanted == (info.st_mode & 07777)) return {};
      if (::chmod(entry.fts_accpath, wanted) == 0) return {};
      return tl::unexpected(file_error("set the rights of", "a file of the image", errno));
    }
    case FTS_DEFAULT:
      if (::unlink(entry.fts_accpath) == 0) return {};
      return tl::unexpected(file_error("remove", "a device or pipe of the image", errno));
    default:
      return fail(ErrorCode::kInvalid, "the image's files cannot be read through: {}",
                  file_error("read", "one of them", entry.fts_errno).message);
  }
}

// The folder `name` in `parent`; whatever else has that name gives way.
Result<Fd> make_folder_in(const Fd& parent, const std::string& name, const std::string& root) {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  Fd folder(::openat(parent.get(), name.c_str(), kFlags));
  if (folder) return folder;
  if (errno != ENOENT && ::unlinkat(parent.get(), name.c_str(), 0) != 0) {
    return tl::unexpected(file_error("replace", name + " in " + root, errno));
  }
  if (::mkdirat(parent.get(), name.c_str(), 0755) != 0) {
    return tl::unexpected(file_error("make", name + " in " + root, errno));
  }
  ::fchmodat(parent.get(), name.c_str(), 0755, 0);
  folder = Fd(::openat(parent.get(), name.c_str(), kFlags));
  if (!folder) return tl::unexpected(file_error("enter", name + " in " + root, errno));
  return folder;
}

Status make_file_in(const Fd& parent, const std::string& name, const std::string& folder) {
  struct stat info {};
  if (::fstatat(parent.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0) {
    if (S_ISREG(info.st_mode)) return {};
    if (S_ISDIR(info.st_mode)) remove_tree(folder + "/" + name);
    ::unlinkat(parent.get(), name.c_str(), 0);
  }
  const Fd file(::openat(parent.get(), name.c_str(),
                         O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (!file) return tl::unexpected(file_error("make", name + " in " + folder, errno));
  ::fchmod(file.get(), 0644);
  return {};
}

// Every folder on the way is a real one after this, so that paths of them lead nowhere else.
Status make_image_point(const std::string& root, std::string_view point) {
  Fd folder(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!folder) return tl::unexpected(file_error("enter", root, errno));
  std::string path = root;
  point.remove_prefix(1);
  for (std::size_t slash = 0; (slash = point.find('/')) != std::string_view::npos;
       point.remove_prefix(slash + 1)) {
    const std::string name(point.substr(0, slash));
    FALLOW_ASSIGN(folder, make_folder_in(folder, name, root));
    path += "/" + name;
  }
  if (point.empty()) return {};
  return make_file_in(folder, std::string(point), path);
}

}  // namespace

Result<std::uint64_t> settle_image_tree(const std::string& root, std::uint64_t bytes_max) {
  std::string path = root;
  const std::array<char*, 2> roots{path.data(), nullptr};
  const std::unique_ptr<FTS, int (*)(FTS*)> tree(
      ::fts_open(roots.data(), FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, nullptr), ::fts_close);
  if (!tree) return tl::unexpected(file_error("read", root, errno));
  std::uint64_t bytes = 0;
  std::uint64_t files = 0;
  errno = 0;
  while (const FTSENT* entry = ::fts_read(tree.get())) {
    FALLOW_TRY(settle(*entry, bytes));
    if (bytes > bytes_max) {
      return fail(ErrorCode::kTooLarge, "the image needs more than the {} MB that it may have here",
                  bytes_max >> 20);
    }
    if (++files > 2 * kImageFilesMax) {
      return fail(ErrorCode::kTooLarge, "the image has more than {} files", kImageFilesMax);
    }
  }
  if (errno != 0) return tl::unexpected(file_error("read", "the image's files", errno));
  // Every folder that the workload's user must pass through.
  ::chmod(root.c_str(), 0755);
  FALLOW_TRY(make_image_points(root));
  return bytes;
}

Status make_image_points(const std::string& root) {
  for (const std::string& point : image_mount_points()) FALLOW_TRY(make_image_point(root, point));
  return {};
}

const std::vector<std::string>& image_mount_points() {
  static const std::vector<std::string> points = [] {
    std::vector<std::string> all = {"/proc/",
                                    "/dev/",
                                    "/work/",
                                    "/out/",
                                    "/tmp/",
                                    "/checkpoint/",
                                    "/sys/dev/char/",
                                    "/sys/bus/pci/",
                                    "/sys/devices/system/cpu/",
                                    "/sys/devices/system/node/",
                                    "/sys/class/drm/",
                                    "/sys/class/kfd/",
                                    std::string(kDriverFolder) + "/",
                                    std::string(kInitPath),
                                    "/etc/resolv.conf"};
    for (const auto& [name, text] : inner_etc()) all.push_back("/etc/" + name);
    return all;
  }();
  return points;
}

}  // namespace fallow::runtime
