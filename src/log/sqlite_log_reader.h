// SqliteLogReader: reads the log of a data folder, also while a SqliteLog appends to it (fallow
// audit does). Its own read-only connection takes no lock that an append would wait for.
//
// Owner: whoever opened it. One thread at a time.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/sqlite_db.h"
#include "log/log.h"

namespace fallow::log {

inline constexpr std::int64_t kApplicationId = 0x464C574C;  // "FLWL", in the file's header
inline constexpr std::int64_t kSchemaVersion = 1;
inline constexpr int kBusyTimeoutMs = 1'000;

class SqliteLogReader final : public LogReader {
 public:
  // kNotFound when the folder has no log, kInvalid when log.db is something else or of another
  // version.
  static Result<std::unique_ptr<SqliteLogReader>> open(const std::string& folder);

  Result<Head> head() override;
  Result<Head> head_at(LogIndex last) override;
  Result<std::vector<Entry>> read(LogIndex from, std::size_t bytes_max) override;

 private:
  friend class SqliteLog;
  // Over a connection of any kind, whose format is checked.
  static Result<std::unique_ptr<SqliteLogReader>> over(SqliteDb db, const std::string& folder);
  static Status check_format(SqliteDb& db);

  SqliteLogReader(SqliteDb db, std::string folder)
      : db_(std::move(db)), folder_(std::move(folder)) {}
  // What the one row of `statement` claims, without its body and not yet checked against it.
  Result<std::optional<StoredEntry>> claimed(SqliteStatement& statement);
  // The same as a head; the genesis when there is no row.
  Result<Head> claimed_head(SqliteStatement& statement);
  // Adds to kCorrupt which log it is and what to do.
  Error advise(Error error) const;

  SqliteDb db_;
  std::string folder_;
  SqliteStatement last_;  // the last entry, without its body
  SqliteStatement at_;    // the last entry with first <= ?1, without its body
  SqliteStatement rest_;  // all entries with first >= ?1
};

}  // namespace fallow::log
