#include "bench_folder.h"

#include <sqlite3.h>
#include <stdlib.h>

#include <filesystem>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "log/sqlite_log.h"

namespace fallow::bench {

Folder::Folder(const std::string& parent) : path_(parent + "/fallow-bench-XXXXXX") {
  FALLOW_CHECK(::mkdtemp(path_.data()) != nullptr, "cannot make a folder in {}", parent);
}

Folder::~Folder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

LogFiller::LogFiller(const std::string& folder, std::size_t commands_per_entry)
    : commands_per_entry_(commands_per_entry) {
  {
    const auto made = log::SqliteLog::open(folder);
    FALLOW_CHECK(made.has_value(), "{}", made.error().message);
  }
  const bool ready =
      sqlite3_open((folder + "/log.db").c_str(), &db_) == SQLITE_OK &&
      sqlite3_exec(db_, "PRAGMA synchronous=OFF; BEGIN", nullptr, nullptr, nullptr) == SQLITE_OK &&
      sqlite3_prepare_v2(db_, "INSERT INTO entries VALUES (?1, ?2, ?3, ?4, ?5)", -1, &insert_,
                         nullptr) == SQLITE_OK;
  FALLOW_CHECK(ready, "cannot fill the log in {}: {}", folder, sqlite3_errmsg(db_));
}

LogFiller::~LogFiller() {
  sqlite3_finalize(insert_);
  sqlite3_close(db_);
}

void LogFiller::add(const v1::Command& command, Time now) {
  time_ = now;
  waiting_.add(command.SerializeAsString());
  if (waiting_.size() == commands_per_entry_) write_entry();
}

void LogFiller::write_entry() {
  const Status is_entry = waiting_.check();
  FALLOW_CHECK(is_entry.has_value(), "{}", is_entry.error().message);
  const std::string& body = waiting_.body();
  const LogIndex first = head_.last + LogIndex(1);
  head_ = log::Head{LogIndex(head_.last.value + waiting_.size()), time_,
                    log::chain_after(head_.chain, first, time_, waiting_.size(), body)};
  sqlite3_bind_int64(insert_, 1, static_cast<sqlite3_int64>(first.value));
  sqlite3_bind_int64(insert_, 2, static_cast<sqlite3_int64>(waiting_.size()));
  sqlite3_bind_int64(insert_, 3, time_.us);
  sqlite3_bind_blob(insert_, 4, head_.chain.data(), static_cast<int>(head_.chain.size()),
                    SQLITE_STATIC);
  sqlite3_bind_blob64(insert_, 5, body.data(), body.size(), SQLITE_STATIC);
  FALLOW_CHECK(sqlite3_step(insert_) == SQLITE_DONE, "cannot fill the log: {}",
               sqlite3_errmsg(db_));
  sqlite3_reset(insert_);
  waiting_.clear();
}

void LogFiller::finish() {
  if (waiting_.size() > 0) write_entry();
  FALLOW_CHECK(sqlite3_exec(db_, "COMMIT; PRAGMA wal_checkpoint(TRUNCATE)", nullptr, nullptr,
                            nullptr) == SQLITE_OK,
               "cannot fill the log: {}", sqlite3_errmsg(db_));
}

}  // namespace fallow::bench
