// SimLog: the log on a simulated disk that fills up and tears writes.
//
// The entry that was appended last is in flight until synced(): a crash before keeps it, loses it,
// or leaves a torn piece of it. What was synced is never lost, so whatever was answered is safe.
// Owner: the simulated server's disk; it outlives every start of the server. One thread.
#pragma once

#include <string>
#include <vector>

#include "log/log.h"
#include "sim/world.h"

namespace fallow::sim {

class SimLog final : public log::Log {
 public:
  explicit SimLog(World& world) : world_(world) {}

  Result<log::Head> head() override { return head_; }
  Result<log::Head> head_at(LogIndex last) override;
  Result<std::vector<log::Entry>> read(LogIndex from, std::size_t bytes_max) override;
  Result<log::Appended> append(const log::EncodedBatch& batch, Time now) override;

  // The last append has reached the disk: answers may leave.
  void synced() { in_flight_ = false; }
  // The server died. Decides what became of a write in flight, and reads the disk's end anew.
  void crash();
  void set_full(bool full) { full_ = full; }
  bool is_full() const { return full_; }
  std::size_t entries() const { return entries_.size(); }

 private:
  std::size_t position_of(LogIndex index) const;
  log::Head head_before(std::size_t position) const;

  World& world_;
  log::Head head_ = log::genesis_head();
  std::vector<log::StoredEntry> entries_;  // grows with the run; some 100,000 at most
  bool in_flight_ = false;
  bool full_ = false;
};

// An entry as the simulated disk has it, and back: kCorrupt for bytes that were torn.
std::string encode_stored(const log::StoredEntry& entry);
Result<log::StoredEntry> decode_stored(std::string_view bytes);

}  // namespace fallow::sim
