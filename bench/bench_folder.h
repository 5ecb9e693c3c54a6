// A data folder for benchmarks, with a log that is filled faster than by living through it.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/types.h"
#include "fallow/v1/commands.pb.h"
#include "log/entry.h"

struct sqlite3;
struct sqlite3_stmt;

namespace fallow::bench {

// Made under `parent`, removed with everything in it at the end.
class Folder {
 public:
  explicit Folder(const std::string& parent);
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Writes sound entries into log.db of a folder without syncing each: the same bytes as the log's
// own, one transaction for all.
class LogFiller {
 public:
  // commands_per_entry >= 1.
  LogFiller(const std::string& folder, std::size_t commands_per_entry);
  ~LogFiller();
  LogFiller(const LogFiller&) = delete;
  LogFiller& operator=(const LogFiller&) = delete;

  void add(const v1::Command& command, Time now);
  // Writes what is left and commits. Once, at the end.
  void finish();

 private:
  void write_entry();

  const std::size_t commands_per_entry_;
  sqlite3* db_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
  log::Head head_ = log::genesis_head();
  Time time_;
  log::EncodedBatch waiting_;  // commands_per_entry_ at most
};

}  // namespace fallow::bench
