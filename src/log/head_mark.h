// HeadMark: a small file that remembers how far the log has come, beside the log itself.
//
// SQLite takes a damaged end of its write-ahead file for a transaction that was never finished and
// drops it without a word; commands that were answered would then be missing. The mark is written
// after every durable entry and checked at the next start, so that such a loss is noticed. It is
// not synced: after a power cut it may be older than the log, never newer than what was durable.
//
// Owner and thread: those of the SqliteLog.
#pragma once

#include <optional>
#include <string>

#include "base/file.h"
#include "log/entry.h"

namespace fallow::log {

class HeadMark {
 public:
  // Opens or makes the file. What it says is in found(); nothing when it is new or torn.
  static Result<HeadMark> open(const std::string& path);

  const std::optional<Head>& found() const { return found_; }
  // A failure costs the check at the next start, never an append: it is not reported.
  void write(const Head& head);

 private:
  explicit HeadMark(std::string path) : path_(std::move(path)) {}
  std::string path_;
  Fd file_;
  std::optional<Head> found_;
};

}  // namespace fallow::log
