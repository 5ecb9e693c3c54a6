// What is left of what the workloads of a machine share.
//
// Pure reads; any thread. Nothing: the kernel does not say.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/file.h"

namespace fallow::runtime {

std::uint64_t memory_bytes_of_host();
// That programs could still have, without swap. `meminfo`: another for tests.
inline constexpr const char* kMeminfo = "/proc/meminfo";
std::optional<std::uint64_t> memory_bytes_left(const std::string& meminfo = kMeminfo);
// Of the disk that the folder is on. `left`: to who is not root.
struct DiskRoom {
  std::uint64_t bytes = 0;
  std::uint64_t left = 0;
};
std::optional<DiskRoom> disk_room(const Fd& folder);

}  // namespace fallow::runtime
