// Audit: replays a log from nothing, believing neither the server nor its snapshots.
//
// Works on a stopped market's folder and beside a running one: it only reads. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "base/types.h"
#include "core/limits.h"
#include "core/machine.h"
#include "log/log.h"
#include "log/snapshots.h"

namespace fallow::engine {

struct Audit {
  std::uint64_t entries = 0;
  std::uint64_t commands = 0;
  std::uint64_t events = 0;
  std::uint64_t bytes = 0;  // of the entries' bodies
  log::Head head;           // the end of what was audited, with the log's chain there
  Digest digest{};          // of the market's state there
  std::uint64_t ledger_accounts = 0;
  core::Machine::Counts counts;
  std::uint64_t snapshots_checked = 0;  // whose state is what the replay came to
  std::vector<std::string> notes;       // snapshots that could not be read: replay time, never data
};

// Every entry is checked against the chain and applied; at each snapshot's place the snapshot is
// restored and compared; at the end the ledger must be balanced and every invariant hold (a broken
// one stops the process with a sentence, as it would stop the server). `snapshots` may be null.
// `progress`, if not empty, is called now and then with the number of commands so far.
// kCorrupt: what is wrong, at which command.
Result<Audit> audit(log::LogReader& log, log::SnapshotStore* snapshots, const core::Limits& limits,
                    const std::function<void(std::uint64_t)>& progress = {});

}  // namespace fallow::engine
