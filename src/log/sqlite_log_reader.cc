#include "log/sqlite_log_reader.h"

#include <unistd.h>

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace fallow::log {
namespace {

std::int64_t to_sql(std::uint64_t index) {
  return static_cast<std::int64_t>(
      std::min<std::uint64_t>(index, std::numeric_limits<std::int64_t>::max()));
}

// The columns first, count, time_us, chain; the body is left to the caller.
Result<StoredEntry> stored_entry(const SqliteStatement& row) {
  StoredEntry entry;
  entry.first = LogIndex(static_cast<std::uint64_t>(row.integer(0)));
  entry.count = static_cast<std::uint64_t>(row.integer(1));
  entry.time = Time{row.integer(2)};
  const auto chain = digest_from_bytes(row.blob(3));
  if (!chain) {
    return fail(ErrorCode::kCorrupt, "the entry at command {} has a chain digest of {} bytes",
                entry.first.value, row.blob(3).size());
  }
  entry.chain = *chain;
  return entry;
}

Head head_after(const StoredEntry& entry) {
  return Head{LogIndex(entry.first.value + entry.count - 1), entry.time, entry.chain};
}

// Ends the statement's read transaction when a scope is left.
struct ResetAtEnd {
  SqliteStatement& statement;
  explicit ResetAtEnd(SqliteStatement& s) : statement(s) {}
  ResetAtEnd(const ResetAtEnd&) = delete;
  ResetAtEnd& operator=(const ResetAtEnd&) = delete;
  ~ResetAtEnd() { statement.reset(); }
};

}  // namespace

Result<std::unique_ptr<SqliteLogReader>> SqliteLogReader::open(const std::string& folder) {
  const std::string path = folder + "/log.db";
  if (::access(path.c_str(), F_OK) != 0) {
    return fail(ErrorCode::kNotFound, "{} has no log.db; name the server's --data folder", folder);
  }
  FALLOW_ASSIGN(SqliteDb db, SqliteDb::open(path, SQLITE_OPEN_READONLY));
  sqlite3_busy_timeout(db.get(), kBusyTimeoutMs);
  FALLOW_TRY(check_format(db));
  return over(std::move(db), folder);
}

Status SqliteLogReader::check_format(SqliteDb& db) {
  FALLOW_ASSIGN(const std::int64_t id, db.query_integer("PRAGMA application_id"));
  if (id != kApplicationId) {
    return fail(ErrorCode::kInvalid, "{} is not a Fallow log; name another --data folder",
                db.path());
  }
  FALLOW_ASSIGN(const std::int64_t version, db.query_integer("PRAGMA user_version"));
  if (version != kSchemaVersion) {
    return fail(ErrorCode::kInvalid,
                "{} has format {} and this program reads format {}; use the version of fallow "
                "that wrote it",
                db.path(), version, kSchemaVersion);
  }
  return {};
}

Result<std::unique_ptr<SqliteLogReader>> SqliteLogReader::over(SqliteDb db,
                                                               const std::string& folder) {
  auto reader = std::unique_ptr<SqliteLogReader>(new SqliteLogReader(std::move(db), folder));
  FALLOW_ASSIGN(reader->last_,
                reader->db_.prepare("SELECT first, count, time_us, chain FROM entries "
                                    "ORDER BY first DESC LIMIT 1"));
  FALLOW_ASSIGN(reader->at_, reader->db_.prepare("SELECT first, count, time_us, chain FROM entries "
                                                 "WHERE first <= ?1 ORDER BY first DESC LIMIT 1"));
  FALLOW_ASSIGN(reader->rest_,
                reader->db_.prepare("SELECT first, count, time_us, chain, body FROM entries "
                                    "WHERE first >= ?1 ORDER BY first"));
  return reader;
}

Error SqliteLogReader::advise(Error error) const {
  if (error.code == ErrorCode::kCorrupt) {
    error.message = fmt::format(
        "the log in {} is damaged: {}. Restore log.db from a backup (docs/operations.md); "
        "`fallow audit` on the data folder shows how far the log is sound",
        folder_, error.message);
  }
  return error;
}

Result<Head> SqliteLogReader::claimed_head(SqliteStatement& statement) {
  FALLOW_ASSIGN(const std::optional<StoredEntry> row, claimed(statement));
  return row ? head_after(*row) : genesis_head();
}

Result<std::optional<StoredEntry>> SqliteLogReader::claimed(SqliteStatement& statement) {
  const ResetAtEnd reset(statement);
  const int code = statement.step();
  if (code == SQLITE_DONE) return std::nullopt;
  if (code != SQLITE_ROW) return tl::unexpected(advise(db_.error(code, "read")));
  auto entry = stored_entry(statement);
  if (!entry) return tl::unexpected(advise(entry.error()));
  return *std::move(entry);
}

Result<Head> SqliteLogReader::head() { return claimed_head(last_); }

Result<Head> SqliteLogReader::head_at(LogIndex last) {
  at_.bind(1, to_sql(last.value));
  FALLOW_ASSIGN(const Head head, claimed_head(at_));
  if (head.last != last) {
    return fail(ErrorCode::kNotFound, "no entry of the log in {} ends with command {}", folder_,
                last.value);
  }
  return head;
}

Result<std::vector<Entry>> SqliteLogReader::read(LogIndex from, std::size_t bytes_max) {
  FALLOW_CHECK(from.value > 0, "commands are numbered from 1");
  // The entry that begins at or before `from` either holds it or ends before it.
  Head before = genesis_head();
  at_.bind(1, to_sql(from.value));
  FALLOW_ASSIGN(const std::optional<StoredEntry> near, claimed(at_));
  if (near && head_after(*near).last < from) {
    before = head_after(*near);
  } else if (near) {
    at_.bind(1, to_sql(near->first.value - 1));
    FALLOW_ASSIGN(before, claimed_head(at_));
  }

  const ResetAtEnd reset(rest_);
  rest_.bind(1, to_sql(before.last.value + 1));
  std::vector<Entry> entries;
  std::size_t bytes = 0;
  while (entries.empty() || bytes < bytes_max) {
    const int code = rest_.step();
    if (code == SQLITE_DONE) break;
    if (code != SQLITE_ROW) return tl::unexpected(advise(db_.error(code, "read")));
    auto stored = stored_entry(rest_);
    if (!stored) return tl::unexpected(advise(stored.error()));
    stored->body = rest_.blob(4);
    auto entry = Entry::check(before, std::move(*stored));
    if (!entry) return tl::unexpected(advise(entry.error()));
    bytes += entry->body().size();
    before = entry->head();
    entries.push_back(std::move(*entry));
  }
  return entries;
}

}  // namespace fallow::log
