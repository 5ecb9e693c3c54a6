// CommandReader: a log's entries as the commands that they hold, one after the other. Whatever
// replays reads by it.
//
// Owner: whoever replays; one thread. It checks that entries follow on from where it stands, that
// every command parses and is of a kind this version knows; the log's reader has checked the chain.
#pragma once

#include <cstddef>
#include <vector>

#include "base/result.h"
#include "core/message_list.h"
#include "fallow/v1/commands.pb.h"
#include "log/log.h"

namespace fallow::engine {

class CommandReader {
 public:
  // Begins behind `from`. The log must outlive this.
  CommandReader(log::LogReader& log, const log::Head& from) : log_(log), head_(from) {}

  // Goes to the next entry; false when the log has no more. kCorrupt: an entry that this program
  // cannot read, with what to do.
  Result<bool> next();

  // Of the entry that next() went to; valid until the next call.
  const log::Entry& entry() const { return page_[page_at_ - 1]; }
  core::MessageSpan<v1::Command> commands() const { return parsed_; }
  // Where the log stands after it; before the first next() the place to begin behind.
  const log::Head& head() const { return head_; }

 private:
  static constexpr std::size_t kPageBytes = std::size_t{1} << 20;

  Result<bool> load_page();
  Status parse(const log::Entry& entry);

  log::LogReader& log_;
  log::Head head_;
  std::vector<log::Entry> page_;
  std::size_t page_at_ = 0;
  core::MessageList<v1::Command> parsed_;
};

}  // namespace fallow::engine
