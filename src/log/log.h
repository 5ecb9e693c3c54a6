// The log: the one ordered, durable record of commands. It stores opaque bytes and knows no market.
//
// Commands are appended in batches. A batch is one *entry*: its commands share one time and are
// durable together or not at all. Commands are numbered from 1 without gaps. Every entry carries
// the digest of the whole log up to and including itself (the *chain*), so a byte that changed, an
// entry that went missing and a log that was exchanged are all noticed; docs/formats/log.md has the
// bytes.
//
// Owner: the engine. Thread: one thread per handle; the handle that appends belongs to the market
// thread. Other handles may read at the same time. Implementations: MemoryLog, SqliteLog.
#pragma once

#include <cstddef>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "base/types.h"
#include "log/entry.h"

namespace fallow::log {

class LogReader {
 public:
  virtual ~LogReader() = default;

  // Where the log stands now. For the appending handle it is what the last append() made it.
  virtual Result<Head> head() = 0;

  // The head as it was when `last` was the last command; kNotFound unless `last` is 0 or ends an
  // entry. Compare its chain with a snapshot's before replaying on top of that snapshot.
  virtual Result<Head> head_at(LogIndex last) = 0;

  // Whole entries in order, beginning with the one that holds `from` (which may begin before it),
  // until they hold bytes_max bytes together; always at least one if there is one. Empty when
  // `from` is beyond the end; `from` must not be 0. Every entry is checked against the chain and
  // its predecessor before it is returned: kCorrupt names the entry and what to do.
  virtual Result<std::vector<Entry>> read(LogIndex from, std::size_t bytes_max) = 0;
};

struct Appended {
  LogIndex first;  // of the batch; the others follow without gaps
  LogIndex last;
  Time time;  // of every command in it: max(now, the previous entry's)
  Digest chain{};
};

class Log : public LogReader {
 public:
  // Appends the batch as one entry; durable when it returns. Order is kept. Errors:
  //   kInvalid, kTooLarge   the batch is empty or beyond the maxima; nothing was written.
  //   kBusy                 the disk is full, or another program holds the file; nothing was
  //                         written, and the log takes batches again as soon as that is over.
  //   kFailed               the disk answered with an error and whether the batch is stored is
  //                         unknown. Every later append fails too: stop the process; what is
  //                         stored decides at the next start.
  virtual Result<Appended> append(const EncodedBatch& batch, Time now) = 0;

  // Housekeeping that append() would otherwise do at a worse moment. The market thread calls it
  // when nothing waits; it returns within a few milliseconds and has nothing to answer for.
  virtual void tend() {}
};

}  // namespace fallow::log
