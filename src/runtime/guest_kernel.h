// The kernel that virtual machines of leases boot: one of Debian's, as its package leaves it below
// /boot and /lib/modules, whose drivers for qemu's devices are modules.
//
// Free functions; they look at the host's files, no state.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "runtime/launch_file.h"

namespace fallow::runtime {

// Where a package may have been unpacked for this alone, and the host's own.
const std::vector<std::string>& guest_kernel_folders();

// The newest kernel that has what a guest needs, in the first folder that has one: its image, and
// its modules in the order in which they are loaded. kNotFound, with a sentence, when none has.
Status find_guest_kernel(const std::vector<std::string>& folders, MicrovmTools& tools);

}  // namespace fallow::runtime
