// RoomWatch: whether a workload that asked for nothing leaves enough to those who asked.
//
// It began where more was left than it must leave. What becomes scarce is given back by who has it;
// only where that does not help in time, all who asked for nothing go. Owned by the supervisor, one
// thread; a look is a few reads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "agent/actions.h"
#include "base/file.h"
#include "base/result.h"

namespace fallow::runtime {

class RoomWatch {
 public:
  // What must be left of the machine's memory and of its disk; 0: this is not watched. `meminfo` as
  // in runtime/host_room.h.
  RoomWatch(std::string meminfo, std::uint64_t memory_bytes_min, std::uint64_t disk_bytes_min);

  // False: the workload asked for its share of both.
  bool is_needed() const { return memory_bytes_min_ > 0 || disk_bytes_min_ > 0; }
  // Before the start: kFailed with what the node lacks. `folder` is on the disk that is meant.
  Status check(const Fd& folder) const;
  // Looks anew. A cause: less than half of what must be left is, so it has to end, whatever it has.
  std::optional<agent::ExitCause> look(const Fd& folder);
  // As it was looked at last: who has as much as must be left gives it back.
  bool lacks_memory() const { return lacks_memory_; }
  bool lacks_disk() const { return lacks_disk_; }

 private:
  const std::string meminfo_;
  const std::uint64_t memory_bytes_min_;
  const std::uint64_t disk_bytes_min_;
  bool lacks_memory_ = false;
  bool lacks_disk_ = false;
};

}  // namespace fallow::runtime
