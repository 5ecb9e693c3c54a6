// FolderSnapshots: the snapshot store on a folder, a file per snapshot.
//
// A file is written beside its final name, synced, and renamed: a crash leaves the old ones and a
// temporary file, which the next open() removes. docs/formats/log.md has the bytes.
//
// Owner: bin/ makes one per server, inside the data folder that SqliteLog has locked; who only
// reads may open another beside it. Thread: as in snapshots.h; writers and readers do not refer to
// the store.
#pragma once

#include <memory>
#include <string>

#include "log/snapshots.h"

namespace fallow::log {

class FolderSnapshots final : public SnapshotStore {
 public:
  // Makes the folder if missing. After a commit remain keep_count >= 1 of the newest, and with a
  // keep_span some older ones: one that is so old, by its file's time beside the newest's, and of
  // the rest one each quarter of it, so that there always will be.
  static Result<std::unique_ptr<FolderSnapshots>> open(const std::string& folder,
                                                       std::size_t keep_count,
                                                       Duration keep_span = {});
  // For who only reads, also beside the one that writes: begin() is refused, and nothing is made or
  // removed. A folder that is not there is an empty store.
  static std::unique_ptr<FolderSnapshots> open_to_read(const std::string& folder);

  Result<std::unique_ptr<SnapshotWriter>> begin(LogIndex index, const Digest& chain) override;
  Result<std::vector<SnapshotInfo>> list() override;
  Result<OpenedSnapshot> open_newest(LogIndex at_most) override;

 private:
  FolderSnapshots(std::string folder, std::size_t keep_count, Duration keep_span)
      : folder_(std::move(folder)), keep_count_(keep_count), keep_span_(keep_span) {}

  const std::string folder_;
  const std::size_t keep_count_;  // 0: only to read
  const Duration keep_span_;
};

}  // namespace fallow::log
