#include "base/sqlite_db.h"

#include "base/check.h"

namespace fallow {

void SqliteStatement::bind(int position, std::int64_t value) {
  const int code = sqlite3_bind_int64(statement_.get(), position, value);
  FALLOW_CHECK(code == SQLITE_OK, "parameter {} cannot be bound: {}", position, code);
}

void SqliteStatement::bind(int position, std::string_view blob) {
  const int code =
      sqlite3_bind_blob64(statement_.get(), position, blob.data(), blob.size(), SQLITE_STATIC);
  FALLOW_CHECK(code == SQLITE_OK, "parameter {} cannot be bound: {}", position, code);
}

int SqliteStatement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code != SQLITE_ROW && code != SQLITE_DONE) sqlite3_reset(statement_.get());
  return code;
}

void SqliteStatement::reset() {
  sqlite3_reset(statement_.get());
  sqlite3_clear_bindings(statement_.get());
}

std::int64_t SqliteStatement::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

std::string_view SqliteStatement::blob(int column) const {
  // The pointer first: asking for it may convert the value and change the length.
  const void* bytes = sqlite3_column_blob(statement_.get(), column);
  const int size = sqlite3_column_bytes(statement_.get(), column);
  if (bytes == nullptr) return {};
  return {static_cast<const char*>(bytes), static_cast<std::size_t>(size)};
}

Result<SqliteDb> SqliteDb::open(const std::string& path, int flags) {
  SqliteDb db;
  db.path_ = path;
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &raw, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  db.db_.reset(raw);
  if (code != SQLITE_OK) return tl::unexpected(db.error(code, "open"));
  sqlite3_extended_result_codes(raw, 1);
  return db;
}

Status SqliteDb::exec(const std::string& sql) {
  const int code = sqlite3_exec(db_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return tl::unexpected(error(code, "use"));
  return {};
}

Result<std::int64_t> SqliteDb::query_integer(const std::string& sql) {
  FALLOW_ASSIGN(SqliteStatement statement, prepare(sql));
  const int code = statement.step();
  if (code != SQLITE_ROW) return tl::unexpected(error(code, "read"));
  return statement.integer(0);
}

Result<SqliteStatement> SqliteDb::prepare(std::string_view sql) {
  sqlite3_stmt* raw = nullptr;
  const int code = sqlite3_prepare_v3(db_.get(), sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
  SqliteStatement statement;
  statement.statement_.reset(raw);
  if (code != SQLITE_OK) return tl::unexpected(error(code, "read"));
  return statement;
}

Status SqliteDb::run(SqliteStatement& statement) {
  const int code = statement.step();
  statement.reset();
  if (code != SQLITE_DONE) return tl::unexpected(error(code, "write to"));
  return {};
}

Error SqliteDb::error(int code, std::string_view doing) const {
  const char* detail = db_ != nullptr ? sqlite3_errmsg(db_.get()) : sqlite3_errstr(code);
  switch (code & 0xff) {
    case SQLITE_FULL:
      return {ErrorCode::kBusy,
              fmt::format("cannot {} {}: the disk is full; free space there, nothing was lost and "
                          "no restart is needed",
                          doing, path_)};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {ErrorCode::kBusy,
              fmt::format("cannot {} {}: another program has locked it; end that program's "
                          "transaction (back up with VACUUM INTO, which locks nothing)",
                          doing, path_)};
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return {ErrorCode::kCorrupt,
              fmt::format("{} is damaged ({}); restore it from a backup", path_, detail)};
    case SQLITE_CANTOPEN:
      return {ErrorCode::kFailed,
              fmt::format("cannot {} {}: {}; check that the folder exists and may be written to",
                          doing, path_, detail)};
    default:
      return {ErrorCode::kFailed,
              fmt::format("cannot {} {}: {} (SQLite code {})", doing, path_, detail, code)};
  }
}

}  // namespace fallow
