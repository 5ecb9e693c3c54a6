// FaultyDisk: SQLite's own file layer with faults put in: a full disk, a failing sync, a power cut
// in the middle of a write. Only for tests; one at a time, before any connection is opened.
#pragma once

#include <sqlite3.h>

#include <array>
#include <cstddef>

#include "base/check.h"

namespace fallow::log {

class FaultyDisk {
 public:
  FaultyDisk() {
    FALLOW_CHECK(current_ == nullptr, "one faulty disk at a time");
    current_ = this;
    real_ = sqlite3_vfs_find("unix");
    vfs_ = *real_;
    vfs_.zName = "faulty";
    vfs_.pNext = nullptr;
    vfs_.xOpen = &open;
    sqlite3_vfs_register(&vfs_, 1);
  }
  FaultyDisk(const FaultyDisk&) = delete;
  FaultyDisk& operator=(const FaultyDisk&) = delete;
  ~FaultyDisk() {
    sqlite3_vfs_unregister(&vfs_);
    sqlite3_vfs_register(real_, 1);
    current_ = nullptr;
  }

  bool full = false;          // writes fail with SQLITE_FULL
  bool sync_fails = false;    // syncs fail with SQLITE_IOERR_FSYNC
  int writes_until_cut = -1;  // then one write is torn in half and the power is gone
  bool power_cut = false;     // everything fails
  int syncs = 0;              // so far

 private:
  static int open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out) {
    const int code = current_->real_->xOpen(current_->real_, name, file, flags, out);
    if (code != SQLITE_OK || file->pMethods == nullptr) return code;
    file->pMethods = current_->faulty(file->pMethods);
    return code;
  }
  // SQLite has a table of methods per kind of locking; each gets its faulty twin.
  const sqlite3_io_methods* faulty(const sqlite3_io_methods* real) {
    std::size_t i = 0;
    while (i < twins_.size() && twins_[i].real != nullptr && twins_[i].real != real) ++i;
    FALLOW_CHECK(i < twins_.size(), "more kinds of files than expected");
    twins_[i].real = real;
    twins_[i].methods = *real;
    twins_[i].methods.xWrite = &write;
    twins_[i].methods.xSync = &sync;
    twins_[i].methods.xTruncate = &truncate;
    return &twins_[i].methods;
  }
  static const sqlite3_io_methods* real_of(sqlite3_file* file) {
    for (const Twin& twin : current_->twins_) {
      if (file->pMethods == &twin.methods) return twin.real;
    }
    FALLOW_CHECK(false, "a file that was opened without faults");
  }

  static int write(sqlite3_file* file, const void* bytes, int size, sqlite3_int64 offset) {
    FaultyDisk& disk = *current_;
    if (disk.power_cut) return SQLITE_IOERR_WRITE;
    if (disk.full) return SQLITE_FULL;
    if (disk.writes_until_cut == 0) {
      disk.power_cut = true;
      real_of(file)->xWrite(file, bytes, size / 2, offset);
      return SQLITE_IOERR_WRITE;
    }
    if (disk.writes_until_cut > 0) --disk.writes_until_cut;
    return real_of(file)->xWrite(file, bytes, size, offset);
  }
  static int sync(sqlite3_file* file, int flags) {
    if (current_->power_cut || current_->sync_fails) return SQLITE_IOERR_FSYNC;
    ++current_->syncs;
    return real_of(file)->xSync(file, flags);
  }
  static int truncate(sqlite3_file* file, sqlite3_int64 size) {
    if (current_->power_cut) return SQLITE_IOERR_TRUNCATE;
    return real_of(file)->xTruncate(file, size);
  }

  static inline FaultyDisk* current_ = nullptr;
  sqlite3_vfs* real_ = nullptr;
  sqlite3_vfs vfs_{};
  struct Twin {
    const sqlite3_io_methods* real = nullptr;
    sqlite3_io_methods methods{};
  };
  std::array<Twin, 4> twins_;
};

}  // namespace fallow::log
