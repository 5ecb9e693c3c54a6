// Snapshotter: makes snapshots beside the running market, as a second reader of its log. The market
// never stops for it and knows nothing of it; docs/decisions/0002-snapshots-by-a-second-reader.md.
//
// Owner: Engine. Thread: run() is the body of a low-priority thread of its own; the store and the
// reader belong to that thread while it runs.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "base/env.h"
#include "base/result.h"
#include "base/types.h"
#include "core/limits.h"
#include "engine/signal.h"
#include "log/log.h"
#include "log/snapshots.h"

namespace fallow::engine {

// Opens one more handle that reads the log.
using OpenReader = std::function<Result<std::unique_ptr<log::LogReader>>()>;

struct SnapshotRules {
  std::uint64_t commands_between_min = 200'000;
  Duration time_between_min = minutes(1);
  Duration retry = minutes(1);  // after one that failed
};

struct SnapshotStats {
  LogIndex newest;          // 0: none
  std::uint64_t taken = 0;  // since the start
  Duration last_took;       // from opening the log to the commit
  std::uint64_t last_bytes = 0;
  std::string last_error;  // empty: the last attempt went well
};

class Snapshotter {
 public:
  // `newest`: the place of the newest snapshot that exists, 0 for none. References must outlive
  // this.
  Snapshotter(OpenReader open_reader, log::SnapshotStore& snapshots, const core::Limits& limits,
              const Clock& clock, const SnapshotRules& rules, LogIndex newest);

  // Takes snapshots when they are due, asking `applied` how far the market is, until stop().
  void run(const std::function<LogIndex()>& applied);
  // From any thread: breaks off what is being done. run() returns soon.
  void stop();

  // One snapshot of the log's present end, on the calling thread: the newest snapshot is restored,
  // the tail replayed, and the result written.
  Status take();

  SnapshotStats stats() const;

 private:
  Result<log::SnapshotInfo> make();

  const OpenReader open_reader_;
  log::SnapshotStore& snapshots_;
  const core::Limits limits_;
  const Clock& clock_;
  const SnapshotRules rules_;
  std::atomic<bool> stopping_ = false;
  Signal wake_;
  mutable std::mutex mutex_;
  SnapshotStats stats_;  // guarded by mutex_
};

}  // namespace fallow::engine
