// Snapshots: the market's whole state at one place of the log, so that a restart replays only the
// tail. A snapshot is a cache: losing one costs replay time, never data.
//
// A snapshot carries the chain's digest of its place (to refuse one of another log) and a digest of
// its own bytes. They may be several hundred MB, so they are written and read in pieces.
//
// Owner: the engine. Thread: every object belongs to one thread at a time; a writer may be used on
// another thread than its store. A store must outlive its writers and readers. Implementations:
// MemorySnapshots, FolderSnapshots.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "base/types.h"

namespace fallow::log {

struct SnapshotInfo {
  LogIndex index;           // the last command it contains
  Digest chain{};           // the log's chain after that command
  std::uint64_t bytes = 0;  // of its content

  bool operator==(const SnapshotInfo&) const = default;
};

class SnapshotWriter {
 public:
  // Without commit() nothing of it remains.
  virtual ~SnapshotWriter() = default;
  // The next bytes of the content, any size.
  virtual Status write(std::string_view piece) = 0;
  // Makes it durable and visible; then removes the oldest beyond the number kept. Once only.
  virtual Status commit() = 0;
};

class SnapshotReader {
 public:
  virtual ~SnapshotReader() = default;
  virtual const SnapshotInfo& info() const = 0;
  // Fills `into` with the next bytes of the content; fewer only at the end, 0 when all was read.
  virtual Result<std::size_t> read(std::span<char> into) = 0;
};

// What open_newest() found: the reader, and a sentence for each newer snapshot that it passed over.
struct OpenedSnapshot {
  std::unique_ptr<SnapshotReader> reader;  // null when none is usable: replay from the beginning
  std::vector<std::string> skipped;        // for the operator's log
};

class SnapshotStore {
 public:
  virtual ~SnapshotStore() = default;

  // Begins a snapshot of the state after command `index`. One at the same index is replaced.
  virtual Result<std::unique_ptr<SnapshotWriter>> begin(LogIndex index, const Digest& chain) = 0;

  // The committed ones, newest first, as their headers say; unreadable ones are left out.
  virtual Result<std::vector<SnapshotInfo>> list() = 0;

  // The newest usable one with index <= at_most. All its bytes are checked against its digest
  // first; a torn or altered one is passed over with a sentence in `skipped`.
  virtual Result<OpenedSnapshot> open_newest(LogIndex at_most) = 0;
};

}  // namespace fallow::log
