#include "runtime/private_folders.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "base/file.h"
#include "runtime/host_root.h"
#include "runtime/image_mount.h"
#include "runtime/processes.h"

namespace fallow::runtime {
namespace {

constexpr const char* kStage = "/tmp";

Status bind_mount(const std::string& from, const std::string& at) {
  if (::mount(from.c_str(), at.c_str(), nullptr, MS_BIND, nullptr) != 0) {
    return tl::unexpected(file_error("mount", at, errno));
  }
  return {};
}

struct Staged {
  bool done = false;           // false: we may not make mounts, and nothing has changed
  bool root_writable = false;  // of the image
};

// A mount namespace of our own with the folders in a place that every user can reach.
Result<Staged> stage(const std::string& lease_folder, std::uint32_t uid, const std::string& init,
                     const std::string& image_root, const std::string& prover) {
  if (::unshare(CLONE_NEWNS) != 0) return Staged{};
  // Only now, for nothing of another namespace can be bound; and before its path is covered.
  Fd tree;
  Fd layer;
  if (!image_root.empty()) {
    FALLOW_ASSIGN(tree, open_file(image_root, O_PATH | O_DIRECTORY));
    const std::string path = lease_folder + "/layer";
    FALLOW_TRY(make_folder(path));
    FALLOW_ASSIGN(layer, open_file(path, O_RDONLY | O_DIRECTORY));
  }
  FALLOW_ASSIGN(const Fd folder, open_file(lease_folder, O_RDONLY | O_DIRECTORY));
  std::vector<std::pair<std::string, Fd>> programs;
  for (const auto& [name, path] : {std::pair("/init", init), std::pair("/prover", prover)}) {
    if (path.empty()) continue;
    FALLOW_ASSIGN(Fd program, open_file(path, O_PATH));
    programs.emplace_back(name, std::move(program));
  }
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    if (errno == EINVAL) {
      return fail(
          ErrorCode::kFailed,
          "the root folder is not a mount of its own, as in a plain chroot; run the agent in a "
          "container, or bind that folder to itself and enter it with pivot_root");
    }
    return tl::unexpected(file_error("make private the mounts of", "/", errno));
  }
  if (::mount("fallow", kStage, "tmpfs", MS_NOSUID | MS_NODEV, "size=8m,mode=0755") != 0) {
    return tl::unexpected(file_error("mount over", kStage, errno));
  }
  for (const std::string_view name : kPrivateNames) {
    const std::string at = std::string(kStage) + "/" + std::string(name);
    FALLOW_TRY(make_open_folder(at));
    FALLOW_TRY(
        bind_mount("/proc/self/fd/" + std::to_string(folder.get()) + "/" + std::string(name), at));
  }
  for (const auto& [name, program] : programs) {
    const std::string at = kStage + name;
    FALLOW_TRY(write_open_file(at, ""));
    FALLOW_TRY(bind_mount("/proc/self/fd/" + std::to_string(program.get()), at));
  }
  Staged staged{true, false};
  if (tree) {
    const std::string at = kStage;
    FALLOW_ASSIGN(staged.root_writable, mount_image(tree, layer, uid, at, at + "/root"));
  }
  return staged;
}

Status write_etc(const std::string& folder) {
  FALLOW_TRY(make_open_folder(folder));
  for (const auto& [name, text] : inner_etc()) {
    FALLOW_TRY(write_open_file(folder + "/" + name, text));
  }
  return {};
}

}  // namespace

Status make_open_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) {
    return tl::unexpected(file_error("make", path, errno));
  }
  ::chmod(path.c_str(), 0755);
  return {};
}

Status write_open_file(const std::string& path, std::string_view text) {
  FALLOW_ASSIGN(const Fd file, open_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));
  FALLOW_TRY(write_all(file, text, path));
  ::fchmod(file.get(), 0644);
  return {};
}

Result<PrivateFolders> make_private_folders(const std::string& lease_folder, std::uint32_t uid,
                                            const std::string& init, const std::string& image_root,
                                            const std::string& prover) {
  if (::geteuid() == 0) {
    for (const std::string_view name : kPrivateNames) {
      const std::string path = lease_folder + "/" + std::string(name);
      if (uid != 0 && !give_tree(path, uid)) {
        return fail(ErrorCode::kFailed, "cannot give {} to the sandbox's user", path);
      }
    }
    FALLOW_ASSIGN(const Staged staged, stage(lease_folder, uid, init, image_root, prover));
    if (staged.done) {
      const std::string at = kStage;
      PrivateFolders folders{at + "/work",
                             at + "/out",
                             at + "/tmp",
                             at + "/checkpoint",
                             at + "/etc",
                             at + "/stage",
                             init.empty() ? "" : at + "/init",
                             image_root.empty() ? "" : at + "/root",
                             staged.root_writable,
                             prover.empty() ? "" : at + "/prover"};
      FALLOW_TRY(make_open_folder(folders.stage));
      FALLOW_TRY(write_etc(folders.etc));
      return folders;
    }
  }
  PrivateFolders folders{lease_folder + "/work",
                         lease_folder + "/out",
                         lease_folder + "/tmp",
                         lease_folder + "/checkpoint",
                         lease_folder + "/etc",
                         "",
                         init,
                         image_root,
                         false,
                         prover};
  FALLOW_TRY(write_etc(folders.etc));
  return folders;
}

}  // namespace fallow::runtime
