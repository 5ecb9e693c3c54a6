// Replay: applies what the log holds to a machine, entry by entry. Restart, snapshots and audit all
// go through it, so they all see the same market.
//
// Owner: whoever replays; one thread. What it reads is checked as CommandReader says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/result.h"
#include "base/types.h"
#include "core/machine.h"
#include "engine/batch.h"
#include "engine/command_reader.h"
#include "log/log.h"

namespace fallow::engine {

class Replay {
 public:
  // `machine` stands at `from`. Both references must outlive this.
  Replay(log::LogReader& log, core::Machine& machine, const log::Head& from)
      : reader_(log, from), machine_(machine) {}

  // Applies the next entry; false when the log has no more. kCorrupt: an entry that this program
  // cannot apply, with what to do.
  Result<bool> next();

  // Where the machine stands.
  const log::Head& head() const { return reader_.head(); }
  // The entry that next() applied. Valid until the next call.
  Batch batch() const { return Batch{head().time, head().chain, applied_}; }

  std::uint64_t entries() const { return entries_; }
  std::uint64_t commands() const { return commands_; }
  std::uint64_t events() const { return events_count_; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  CommandReader reader_;
  core::Machine& machine_;
  core::Events events_;
  std::vector<std::size_t> ends_;
  std::vector<Applied> applied_;

  std::uint64_t entries_ = 0;
  std::uint64_t commands_ = 0;
  std::uint64_t events_count_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace fallow::engine
