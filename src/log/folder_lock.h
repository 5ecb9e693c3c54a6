// FolderLock: one process at a time uses a data folder. It is held while the object lives and ends
// with the process, however that ends; the file `lock` stays and says who held it last.
//
// Owner: whoever opens the folder for writing. Any thread.
#pragma once

#include <string>

#include "base/file.h"
#include "base/result.h"

namespace fallow::log {

class FolderLock {
 public:
  // kDenied with the holder's process id when another holds it.
  static Result<FolderLock> take(const std::string& folder);

 private:
  explicit FolderLock(Fd file) : file_(std::move(file)) {}
  Fd file_;
};

}  // namespace fallow::log
