#include "runtime/room_watch.h"

#include <string_view>
#include <utility>

#include "runtime/host_room.h"

namespace fallow::runtime {
namespace {

tl::unexpected<Error> too_little_left(std::string_view what, std::uint64_t left,
                                      std::uint64_t room_min) {
  return fail(ErrorCode::kFailed,
              "the node has too little {} left for a workload that asks for none: {} MB, and {} MB "
              "of it stay free for others",
              what, left >> 20, room_min >> 20);
}

// Nothing: it is not watched, or the kernel does not say.
std::optional<std::uint64_t> watched_disk(const Fd& folder, std::uint64_t room_min) {
  const auto disk = room_min > 0 ? disk_room(folder) : std::nullopt;
  return disk ? std::optional(disk->left) : std::nullopt;
}

std::optional<std::uint64_t> watched_memory(const std::string& meminfo, std::uint64_t room_min) {
  return room_min > 0 ? memory_bytes_left(meminfo) : std::nullopt;
}

}  // namespace

RoomWatch::RoomWatch(std::string meminfo, std::uint64_t memory_bytes_min,
                     std::uint64_t disk_bytes_min)
    : meminfo_(std::move(meminfo)),
      memory_bytes_min_(memory_bytes_min),
      disk_bytes_min_(disk_bytes_min) {}

Status RoomWatch::check(const Fd& folder) const {
  const auto memory = watched_memory(meminfo_, memory_bytes_min_);
  if (memory && *memory < memory_bytes_min_) {
    return too_little_left("memory", *memory, memory_bytes_min_);
  }
  const auto disk = watched_disk(folder, disk_bytes_min_);
  if (disk && *disk < disk_bytes_min_) return too_little_left("disk", *disk, disk_bytes_min_);
  return {};
}

std::optional<agent::ExitCause> RoomWatch::look(const Fd& folder) {
  const auto memory = watched_memory(meminfo_, memory_bytes_min_);
  const auto disk = watched_disk(folder, disk_bytes_min_);
  lacks_memory_ = memory && *memory < memory_bytes_min_;
  lacks_disk_ = disk && *disk < disk_bytes_min_;
  if (memory && *memory < memory_bytes_min_ / 2) return agent::ExitCause::kHostOutOfMemory;
  if (disk && *disk < disk_bytes_min_ / 2) return agent::ExitCause::kHostDiskFull;
  return std::nullopt;
}

}  // namespace fallow::runtime
