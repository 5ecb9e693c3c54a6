// MemoryLog: the log without a disk, for tests and for benchmarks of what stands on a log. It makes
// the same indexes, times and chain as SqliteLog. "Durable" here means as long as the object lives.
//
// Owner: whoever made it. One thread at a time.
#pragma once

#include <vector>

#include "log/log.h"

namespace fallow::log {

class MemoryLog final : public Log {
 public:
  Result<Head> head() override { return head_; }
  Result<Head> head_at(LogIndex last) override;
  Result<std::vector<Entry>> read(LogIndex from, std::size_t bytes_max) override;
  Result<Appended> append(const EncodedBatch& batch, Time now) override;

 private:
  // Where the entry that holds `index` is in entries_; entries_.size() when none does.
  std::size_t position_of(LogIndex index) const;
  Head head_before(std::size_t position) const;

  Head head_ = genesis_head();
  std::vector<StoredEntry> entries_;  // bounded by the memory of whoever uses it: see above
};

}  // namespace fallow::log
