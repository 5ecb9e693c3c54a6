// What a sandbox holds: its processes, their memory, and the bytes in its folders.
//
// Reads /proc and the disk; no state. Figures are those of a moment.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/file.h"

namespace fallow::runtime {

// The inode number of the process-id namespace a process is in; 0 when it is gone.
std::uint64_t pid_namespace_of(pid_t pid);
// Processes in the process-id namespace with this inode number, in ascending order.
std::vector<pid_t> processes_of(std::uint64_t pid_namespace);
// Resident memory of them together; pages shared among them count for each.
std::uint64_t resident_bytes(const std::vector<pid_t>& processes);

// Bytes in use of the file system at the path; 0 when there is none.
std::uint64_t file_system_bytes(const std::string& path);

// Bytes on the disk below the open folder, links not followed, other mounts left out. Every name
// counts for at least 4 KiB, so that empty files are not free. Stops early beyond bytes_max.
std::uint64_t disk_bytes(const Fd& folder, std::uint64_t bytes_max);

// Removes the folder and all below it, links not followed; opens folders that were locked by their
// mode. What cannot be removed stays.
void remove_tree(const std::string& path);
// Gives the folder and all below it to the user, links not followed. False when something refused.
bool give_tree(const std::string& path, uid_t user);

}  // namespace fallow::runtime
