// An image's file system as one lease sees it: the shared tree below, what the lease changes above.
//
// For the supervisor, in a mount namespace of its own, as root. With Linux 5.19 and up the tree
// belongs, for this lease only, to the lease's user, so that a workload may change and add files
// anywhere; the tree itself stays as it is, and nobody else sees the change.
#pragma once

#include <cstdint>
#include <string>

#include "base/file.h"
#include "base/result.h"

namespace fallow::runtime {

// Mounts at `at`, an empty folder: `tree` (an open folder) below, `layer` (an open folder on a
// disk, empty at first) above. `scratch` is an empty folder that may hold mounts.
// False, and nothing at `at` but the tree, read-only, where the kernel has no overlays.
Result<bool> mount_image(const Fd& tree, const Fd& layer, std::uint32_t uid,
                         const std::string& scratch, const std::string& at);

}  // namespace fallow::runtime
