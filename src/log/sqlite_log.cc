#include "log/sqlite_log.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <limits>

namespace fallow::log {
namespace {

constexpr std::size_t kTailEntries = 16;  // whose chain open() checks
constexpr int kTendPages = 128;           // tend() leaves a shorter write-ahead file alone
constexpr int kWalPagesMax = 1'024;       // append() itself shortens a longer one

constexpr const char* kSettings =
    "PRAGMA page_size=8192; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
    "PRAGMA wal_autocheckpoint=0; PRAGMA cell_size_check=ON;";

Status make_folder(const std::string& folder) {
  if (::mkdir(folder.c_str(), 0700) == 0) return sync_folder(folder + "/..");
  if (errno == EEXIST) return {};
  return tl::unexpected(file_error("make the folder", folder, errno));
}

Status make_schema(SqliteDb& db, const std::string& folder) {
  FALLOW_TRY(
      db.exec(fmt::format("BEGIN IMMEDIATE;"
                          "CREATE TABLE entries (first INTEGER PRIMARY KEY, count INTEGER NOT NULL,"
                          " time_us INTEGER NOT NULL, chain BLOB NOT NULL, body BLOB NOT NULL);"
                          "PRAGMA application_id={}; PRAGMA user_version={}; COMMIT;",
                          kApplicationId, kSchemaVersion)));
  return sync_folder(folder);
}

// A log of someone else, or of a version this program does not know, must not be touched: so the
// format is checked before any setting that writes.
Status settle_format(SqliteDb& db, const std::string& folder, Status (*check)(SqliteDb&)) {
  FALLOW_ASSIGN(const std::int64_t tables, db.query_integer("SELECT count(*) FROM sqlite_master"));
  FALLOW_ASSIGN(const std::int64_t id, db.query_integer("PRAGMA application_id"));
  const bool is_new = tables == 0 && id == 0;
  if (!is_new) FALLOW_TRY(check(db));
  FALLOW_TRY(db.exec(kSettings));
  return is_new ? make_schema(db, folder) : Status{};
}

}  // namespace

Result<std::unique_ptr<SqliteLog>> SqliteLog::open(const std::string& folder) {
  FALLOW_TRY(make_folder(folder));
  FALLOW_ASSIGN(FolderLock lock, FolderLock::take(folder));
  FALLOW_ASSIGN(HeadMark mark, HeadMark::open(folder + "/log.head"));
  FALLOW_ASSIGN(SqliteDb db,
                SqliteDb::open(folder + "/log.db", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE));
  sqlite3_busy_timeout(db.get(), kBusyTimeoutMs);
  FALLOW_TRY(settle_format(db, folder, &SqliteLogReader::check_format));
  FALLOW_ASSIGN(auto reader, SqliteLogReader::over(std::move(db), folder));

  auto log = std::unique_ptr<SqliteLog>(
      new SqliteLog(std::move(lock), std::move(mark), std::move(reader)));
  log->checkpoint_at_pages_ = kWalPagesMax;
  FALLOW_ASSIGN(log->insert_,
                log->db().prepare("INSERT INTO entries (first, count, time_us, chain, body) "
                                  "VALUES (?1, ?2, ?3, ?4, ?5)"));
  FALLOW_TRY(log->check_tail());
  log->mark_.write(log->head_);
  sqlite3_wal_hook(
      log->db().get(),
      [](void* self, sqlite3*, const char*, int pages) {
        static_cast<SqliteLog*>(self)->wal_pages_ = pages;
        return SQLITE_OK;
      },
      log.get());
  return log;
}

Status SqliteLog::check_tail() {
  FALLOW_ASSIGN(SqliteStatement tail,
                db().prepare("SELECT min(first) FROM (SELECT first FROM entries ORDER BY first "
                             "DESC LIMIT ?1)"));
  tail.bind(1, std::int64_t{kTailEntries});
  const int code = tail.step();
  if (code != SQLITE_ROW) return tl::unexpected(reader_->advise(db().error(code, "read")));
  LogIndex from(std::max<std::uint64_t>(1, static_cast<std::uint64_t>(tail.integer(0))));
  tail.reset();
  // One entry at a time: sixteen of the largest would be a gigabyte.
  for (;;) {
    FALLOW_ASSIGN(const std::vector<Entry> entries, read(from, 1));
    if (entries.empty()) break;
    head_ = entries.back().head();
    from = head_.last + LogIndex(1);
  }

  const auto& mark = mark_.found();
  if (!mark || mark->last.value == 0) return {};
  const auto marked = head_at(mark->last);
  if (marked && marked->chain == mark->chain) return {};
  if (mark->last > head_.last) {
    return fail(ErrorCode::kCorrupt,
                "the log in {} ends with command {}, but commands up to {} were stored and "
                "answered: log.db-wal was damaged or removed, or an older backup was put in place. "
                "Restore the newest backup; to go on without the missing commands, remove {}/"
                "log.head and start again",
                reader_->folder_, head_.last.value, mark->last.value, reader_->folder_);
  }
  return fail(ErrorCode::kCorrupt,
              "the log in {} is not the one that log.head remembers: they differ at command {}. If "
              "another log was put in place on purpose, remove {}/log.head and start again; "
              "otherwise restore log.db from a backup",
              reader_->folder_, mark->last.value, reader_->folder_);
}

Result<Appended> SqliteLog::append(const EncodedBatch& batch, Time now) {
  if (broken_) {
    return fail(ErrorCode::kFailed,
                "the log in {} takes nothing more since its disk failed; restart the server",
                reader_->folder_);
  }
  FALLOW_TRY(batch.check());
  const LogIndex first = head_.last + LogIndex(1);
  Head after{LogIndex(head_.last.value + batch.size()), std::max(now, head_.time), {}};
  after.chain = chain_after(head_.chain, first, after.time, batch.size(), batch.body());

  // A statement of its own is a transaction of its own: stored whole and synced, or not at all.
  insert_.bind(1, static_cast<std::int64_t>(first.value));
  insert_.bind(2, static_cast<std::int64_t>(batch.size()));
  insert_.bind(3, after.time.us);
  insert_.bind(
      4, std::string_view(reinterpret_cast<const char*>(after.chain.data()), after.chain.size()));
  insert_.bind(5, batch.body());
  const int code = insert_.step();
  if (code != SQLITE_DONE) {
    Error error = db().error(code, "append to");
    insert_.reset();
    if (error.code != ErrorCode::kBusy) {
      broken_ = true;
      error.code = ErrorCode::kFailed;
    }
    return tl::unexpected(std::move(error));
  }
  insert_.reset();
  head_ = after;
  mark_.write(head_);
  if (wal_pages_ >= checkpoint_at_pages_) checkpoint();
  return Appended{first, head_.last, head_.time, head_.chain};
}

void SqliteLog::tend() {
  if (wal_pages_ >= kTendPages && !broken_) checkpoint();
}

void SqliteLog::checkpoint() {
  int pages = 0;
  int copied = 0;
  // Its failures (no space, a reader in the way) cost a longer write-ahead file and are met again
  // at the next; the entries are durable already.
  sqlite3_wal_checkpoint_v2(db().get(), nullptr, SQLITE_CHECKPOINT_PASSIVE, &pages, &copied);
  const bool all_copied = pages >= 0 && pages == copied;
  if (all_copied) wal_pages_ = 0;
  checkpoint_at_pages_ = all_copied ? kWalPagesMax : std::max(pages, wal_pages_) + kWalPagesMax;
}

}  // namespace fallow::log
