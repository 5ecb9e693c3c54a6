// Where a workload's private folders lie for its sandbox to be built from.
//
// For the supervisor, which is a process with one thread. With the rights for it, that is a mount
// namespace of the supervisor's own, so that no folder above needs to be open to the sandbox's
// user, and so that whatever is built there is gone with the supervisor, however it ends.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace fallow::runtime {

// Of every lease; in its sandbox they have the same names below /.
inline constexpr std::array<std::string_view, 4> kPrivateNames = {"work", "out", "tmp",
                                                                  "checkpoint"};

struct PrivateFolders {
  std::string work;
  std::string out;
  std::string tmp;
  std::string checkpoint;
  std::string etc;    // runtime/host_root.h: inner_etc()
  std::string stage;  // an empty folder in memory of the supervisor's namespace; empty: none
  std::string init;   // the program of runtime/sandbox_init.h
  std::string root;   // the image's file system, ready to be the root; empty: no image
  bool root_writable = false;
  std::string prover = {};  // the agent's own program; empty: it is not shown
};

// Readies the lease's folder for the sandbox's user (0: the caller's own). `init` and `prover` are
// the paths of those programs on the disk, `image_root` that of the image's file system, which
// nobody writes to; what the workload changes of it goes to the lease's folder "layer", where the
// caller may mount.
Result<PrivateFolders> make_private_folders(const std::string& lease_folder, std::uint32_t uid,
                                            const std::string& init, const std::string& image_root,
                                            const std::string& prover = "");

// For whoever builds below the stage: folders need not be new, texts replace what was there. Both
// are readable by everyone, whatever the umask.
Status make_open_folder(const std::string& path);
Status write_open_file(const std::string& path, std::string_view text);

}  // namespace fallow::runtime
