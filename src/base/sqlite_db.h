// SqliteDb and SqliteStatement: the few calls of SQLite that Fallow needs, with Results.
//
// A connection and its statements belong to one thread at a time; statements go before their
// connection. Used by log/ and by the read models of server/.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace fallow {

class SqliteDb;

class SqliteStatement {
 public:
  SqliteStatement() = default;

  // Bound blobs are not copied: they must live until step() has returned.
  void bind(int position, std::int64_t value);
  void bind(int position, std::string_view blob);

  // SQLITE_ROW or SQLITE_DONE, or SQLite's error code with the statement reset.
  int step();
  void reset();

  std::int64_t integer(int column) const;
  // Valid until the next step() or reset().
  std::string_view blob(int column) const;

 private:
  friend class SqliteDb;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

class SqliteDb {
 public:
  SqliteDb() = default;

  // flags: SQLITE_OPEN_*. Errors carry `path`.
  static Result<SqliteDb> open(const std::string& path, int flags);

  // Statements without results, separated by semicolons.
  Status exec(const std::string& sql);
  // The first column of the first row.
  Result<std::int64_t> query_integer(const std::string& sql);
  Result<SqliteStatement> prepare(std::string_view sql);
  // Carries out a statement without results, and resets it for the next time.
  Status run(SqliteStatement& statement);

  // What SQLite's last answer `code` means, as a sentence about this file.
  Error error(int code, std::string_view doing) const;

  sqlite3* get() const { return db_.get(); }
  const std::string& path() const { return path_; }

 private:
  struct Close {
    void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
  };
  std::string path_;
  std::unique_ptr<sqlite3, Close> db_;
};

}  // namespace fallow
