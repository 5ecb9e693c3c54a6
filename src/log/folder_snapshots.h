// FolderSnapshots: the snapshot store on a folder, a file per snapshot.
//
// A file is written beside its final name, synced, and renamed: a crash leaves the old ones and a
// temporary file, which the next open() removes. docs/formats/log.md has the bytes.
//
// Owner: bin/ makes one per server, inside the data folder that SqliteLog has locked. Thread: as in
// snapshots.h; writers and readers do not refer to the store.
#pragma once

#include <memory>
#include <string>

#include "log/snapshots.h"

namespace fallow::log {

class FolderSnapshots final : public SnapshotStore {
 public:
  // Makes the folder if missing. keep_count >= 1: how many of the newest remain after a commit.
  static Result<std::unique_ptr<FolderSnapshots>> open(const std::string& folder,
                                                       std::size_t keep_count);

  Result<std::unique_ptr<SnapshotWriter>> begin(LogIndex index, const Digest& chain) override;
  Result<std::vector<SnapshotInfo>> list() override;
  Result<OpenedSnapshot> open_newest(LogIndex at_most) override;

 private:
  FolderSnapshots(std::string folder, std::size_t keep_count)
      : folder_(std::move(folder)), keep_count_(keep_count) {}

  const std::string folder_;
  const std::size_t keep_count_;
};

}  // namespace fallow::log
