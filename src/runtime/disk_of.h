// The disk that a folder lies on, as the kernel's limits name it.
//
// Pure reads; any thread.
#pragma once

#include <string>

#include "base/result.h"

namespace fallow::runtime {

// "8:0": the whole disk's number, also of what lies on a part of it. kNotFound, with a sentence,
// when the file system is on no disk of its own (btrfs, ZFS, overlays, memory, another machine's).
// `root`: the folder that stands for / in the look at /sys, for tests.
Result<std::string> disk_of(const std::string& folder, const std::string& root = "");

// The same by the number of a file system's device.
Result<std::string> whole_disk(unsigned major_number, unsigned minor_number,
                               const std::string& root = "");

}  // namespace fallow::runtime
