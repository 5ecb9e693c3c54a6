// SqliteLog: the log in one SQLite file (write-ahead mode, synchronous=FULL), an entry a row.
//
// A data folder holds log.db with SQLite's log.db-wal and log.db-shm, log.head (see head_mark.h)
// and lock. Any SQLite tool may read log.db while the server runs; a backup is
//     sqlite3 DIR/log.db "VACUUM INTO 'backup.db'"
// at any time. To restore it, remove log.db-wal, log.db-shm and log.head and put it in place of
// log.db. docs/formats/log.md has the table and the bytes.
//
// Owner: bin/ makes one per server and hands it to the engine. Thread: the market thread.
#pragma once

#include <memory>
#include <string>

#include "base/sqlite_db.h"
#include "log/folder_lock.h"
#include "log/head_mark.h"
#include "log/log.h"
#include "log/sqlite_log_reader.h"

namespace fallow::log {

class SqliteLog final : public Log {
 public:
  // Opens the log of `folder`, making both if missing, and locks the folder. Checks the format, the
  // last entries with their chain, and that nothing is missing that log.head knows of; what is
  // replayed afterwards is checked by read(), and verify() of log/verify.h checks everything.
  // kDenied: another process has it. kCorrupt: what is wrong where, and what to do.
  static Result<std::unique_ptr<SqliteLog>> open(const std::string& folder);

  Result<Head> head() override { return head_; }
  Result<Head> head_at(LogIndex last) override { return reader_->head_at(last); }
  Result<std::vector<Entry>> read(LogIndex from, std::size_t bytes_max) override {
    return reader_->read(from, bytes_max);
  }
  Result<Appended> append(const EncodedBatch& batch, Time now) override;
  void tend() override;

 private:
  SqliteLog(FolderLock lock, HeadMark mark, std::unique_ptr<SqliteLogReader> reader)
      : lock_(std::move(lock)), mark_(std::move(mark)), reader_(std::move(reader)) {}
  SqliteDb& db() { return reader_->db_; }
  // Sets head_ from the last entries, or says what is wrong with them.
  Status check_tail();
  // Copies the write-ahead file into log.db, so that it begins anew.
  void checkpoint();

  FolderLock lock_;
  HeadMark mark_;
  std::unique_ptr<SqliteLogReader> reader_;  // over the one connection, which also appends
  SqliteStatement insert_;
  Head head_ = genesis_head();
  bool broken_ = false;  // the disk failed in a way that leaves the last batch's fate unknown
  int wal_pages_ = 0;    // in the write-ahead file
  int checkpoint_at_pages_ = 0;
};

}  // namespace fallow::log
