#include "runtime/processes.h"

#include <dirent.h>
#include <fcntl.h>
#include <fts.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "base/number.h"

namespace fallow::runtime {
namespace {

constexpr std::uint64_t kBytesPerName = 4096;
constexpr std::uint64_t kBlockBytes = 512;  // of st_blocks, whatever the file system's own
// Each level costs an open descriptor. A deeper tree counts as being beyond every limit, so that
// nothing can hide below.
constexpr int kDepthMax = 256;

std::uint64_t disk_bytes_below(int folder_fd, dev_t device, std::uint64_t bytes_max, int depth) {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::fdopendir(folder_fd), ::closedir);
  if (!folder) return 0;
  std::uint64_t bytes = 0;
  while (const dirent* entry = ::readdir(folder.get())) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    struct stat info {};
    const int parent = ::dirfd(folder.get());
    if (::fstatat(parent, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (info.st_dev != device) continue;
    bytes += std::max(static_cast<std::uint64_t>(info.st_blocks) * kBlockBytes, kBytesPerName);
    if (bytes > bytes_max) break;
    if (!S_ISDIR(info.st_mode)) continue;
    if (depth >= kDepthMax) return bytes_max + 1;
    const int below =
        ::openat(parent, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (below >= 0) bytes += disk_bytes_below(below, device, bytes_max - bytes, depth + 1);
  }
  return bytes;
}

std::vector<std::string> names_below(int folder_fd) {
  std::vector<std::string> names;
  const int again = ::openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (again < 0) return names;
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::fdopendir(again), ::closedir);
  while (const dirent* entry = folder ? ::readdir(folder.get()) : nullptr) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  return names;
}

// Calls `each` for every file and for every folder before and after its content.
void walk(const std::string& path, const std::function<void(const FTSENT&)>& each) {
  std::string root = path;
  const std::array<char*, 2> roots{root.data(), nullptr};
  const std::unique_ptr<FTS, int (*)(FTS*)> tree(
      ::fts_open(roots.data(), FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, nullptr), ::fts_close);
  if (!tree) return;
  while (const FTSENT* entry = ::fts_read(tree.get())) each(*entry);
}

}  // namespace

std::uint64_t pid_namespace_of(pid_t pid) {
  struct stat info {};
  // The link's target, not the link: the number that its text shows in brackets.
  const std::string path = "/proc/" + std::to_string(pid) + "/ns/pid";
  return ::stat(path.c_str(), &info) == 0 ? info.st_ino : 0;
}

std::vector<pid_t> processes_of(std::uint64_t pid_namespace) {
  std::vector<pid_t> found;
  const std::string wanted = "pid:[" + std::to_string(pid_namespace) + "]";
  const std::unique_ptr<DIR, int (*)(DIR*)> proc(::opendir("/proc"), ::closedir);
  if (!proc) return found;
  while (const dirent* entry = ::readdir(proc.get())) {
    const std::optional<pid_t> pid = parse_number<pid_t>(entry->d_name);
    if (!pid) continue;
    std::array<char, 64> link{};
    const std::string path = std::string(entry->d_name) + "/ns/pid";
    const ssize_t size = ::readlinkat(::dirfd(proc.get()), path.c_str(), link.data(), link.size());
    if (size > 0 && std::string_view(link.data(), static_cast<std::size_t>(size)) == wanted) {
      found.push_back(*pid);
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::uint64_t resident_bytes(const std::vector<pid_t>& processes) {
  static const auto page_bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  std::uint64_t pages = 0;
  for (const pid_t pid : processes) {
    const auto text = read_file("/proc/" + std::to_string(pid) + "/statm", 256);
    if (!text) continue;
    // "size resident shared ..."
    const std::size_t blank = text->find(' ');
    if (blank == std::string::npos) continue;
    std::uint64_t resident = 0;
    std::from_chars(text->data() + blank + 1, text->data() + text->size(), resident);
    pages += resident;
  }
  return pages * page_bytes;
}

std::uint64_t file_system_bytes(const std::string& path) {
  struct statvfs info {};
  if (::statvfs(path.c_str(), &info) != 0) return 0;
  return (info.f_blocks - info.f_bfree) * info.f_frsize;
}

std::uint64_t disk_bytes(const Fd& folder, std::uint64_t bytes_max) {
  struct stat info {};
  if (::fstat(folder.get(), &info) != 0) return 0;
  const int again = ::openat(folder.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (again < 0) return 0;
  return disk_bytes_below(again, info.st_dev, bytes_max, 0);
}

void remove_tree(const std::string& path) {
  const Fd root(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  std::uint64_t counter = 0;
  // Folders below are moved up before they are emptied: no tree is too deep then, neither for
  // paths nor for descriptors. Ends when a round changes nothing any more.
  bool changed = static_cast<bool>(root);
  while (changed) {
    changed = false;
    for (const std::string& name : names_below(root.get())) {
      if (::unlinkat(root.get(), name.c_str(), 0) == 0) {
        changed = true;
        continue;
      }
      // Its owner may have locked it.
      ::fchmodat(root.get(), name.c_str(), 0700, 0);
      const Fd folder(
          ::openat(root.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!folder) continue;
      for (const std::string& below : names_below(folder.get())) {
        if (::unlinkat(folder.get(), below.c_str(), 0) == 0) continue;
        ::fchmodat(folder.get(), below.c_str(), 0700, 0);
        std::string up;
        do {
          up = ".removing-" + std::to_string(counter++);
        } while (::faccessat(root.get(), up.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0);
        changed = ::renameat(folder.get(), below.c_str(), root.get(), up.c_str()) == 0 || changed;
      }
      changed = ::unlinkat(root.get(), name.c_str(), AT_REMOVEDIR) == 0 || changed;
    }
  }
  ::rmdir(path.c_str());
}

bool give_tree(const std::string& path, uid_t user) {
  bool given = true;
  walk(path, [&given, user](const FTSENT& entry) {
    if (entry.fts_info == FTS_DP) return;
    given = ::lchown(entry.fts_accpath, user, user) == 0 && given;
  });
  return given;
}

}  // namespace fallow::runtime
