// MemorySnapshots: the snapshot store without a disk, for tests and for what has its own disk.
//
// Owner: whoever made it; it outlives its writers and readers. One thread at a time.
#pragma once

#include <map>
#include <string>

#include "log/snapshots.h"

namespace fallow::log {

class MemorySnapshots final : public SnapshotStore {
 public:
  // keep_count >= 1: how many of the newest remain after a commit.
  explicit MemorySnapshots(std::size_t keep_count);

  Result<std::unique_ptr<SnapshotWriter>> begin(LogIndex index, const Digest& chain) override;
  Result<std::vector<SnapshotInfo>> list() override;
  Result<OpenedSnapshot> open_newest(LogIndex at_most) override;

  struct Kept {
    SnapshotInfo info;
    std::string content;
  };
  void keep(Kept kept);

 private:
  const std::size_t keep_count_;
  std::map<LogIndex, Kept> kept_;  // keep_count_ at most
};

}  // namespace fallow::log
