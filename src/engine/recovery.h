// Recovery: from a log, and a snapshot if a usable one exists, to the machine as it stands at the
// log's end. Every start, every background snapshot and every simulated restart goes this way.
//
// Pure functions of what they are given; any one thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/types.h"
#include "core/limits.h"
#include "core/machine.h"
#include "engine/batch.h"
#include "log/log.h"
#include "log/snapshots.h"

namespace fallow::engine {

struct Recovered {
  std::unique_ptr<core::Machine> machine;
  log::Head head;                  // where the machine stands: the log's end
  LogIndex snapshot;               // the place it was restored from; 0: replayed from the beginning
  std::uint64_t replayed = 0;      // commands behind it
  std::vector<std::string> notes;  // for the operator: snapshots that were passed over, and why
};

// Restores the newest snapshot that is sound, belongs to this log and is not ahead of any
// subscriber's cursor; replays the rest, telling each subscriber what lies behind its cursor.
// `snapshots` may be null. Errors: what log.read() says of a torn or altered entry (kCorrupt); a
// subscriber that knows more than the log (kCorrupt); kClosed when `cancel` (may be null) was set.
Result<Recovered> recover(log::LogReader& log, log::SnapshotStore* snapshots,
                          const core::Limits& limits, std::span<Subscriber* const> subscribers,
                          const std::atomic<bool>* cancel);

// Restores one snapshot into a new machine and checks that it stands where the snapshot says.
Result<std::unique_ptr<core::Machine>> restore(log::SnapshotReader& snapshot,
                                               const core::Limits& limits);

// Writes the machine's state as the snapshot of `at`, where it stands. kClosed when `cancel` (may
// be null) was set meanwhile; nothing remains of it then.
Result<log::SnapshotInfo> save(const core::Machine& machine, const log::Head& at,
                               log::SnapshotStore& snapshots, const std::atomic<bool>* cancel);

}  // namespace fallow::engine
