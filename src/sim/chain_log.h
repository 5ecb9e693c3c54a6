// ChainLog: a log that forgets. It makes the same indexes, times and chain as MemoryLog and
// SqliteLog, and keeps nothing but the head: for runs whose log would not fit into memory and is
// never read.
//
// Owner: whoever made it. One thread at a time.
#pragma once

#include <cstdint>

#include "log/log.h"

namespace fallow::sim {

class ChainLog final : public log::Log {
 public:
  Result<log::Head> head() override { return head_; }
  // kNotFound for anything but the head, or commands that are gone.
  Result<log::Head> head_at(LogIndex last) override;
  Result<std::vector<log::Entry>> read(LogIndex from, std::size_t bytes_max) override;
  Result<log::Appended> append(const log::EncodedBatch& batch, Time now) override;

  std::uint64_t bytes() const { return bytes_; }  // that a log on a disk would have taken
  std::uint64_t entries() const { return entries_; }

 private:
  log::Head head_ = log::genesis_head();
  std::uint64_t bytes_ = 0;
  std::uint64_t entries_ = 0;
};

}  // namespace fallow::sim
