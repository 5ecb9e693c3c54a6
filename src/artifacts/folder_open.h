// What the scanning half of folder.h and its writing half share; for folder.cc and folder_scan.cc.
//
// Any thread.
#pragma once

#include <fcntl.h>

#include <cerrno>
#include <string_view>
#include <tl/expected.hpp>

#include "artifacts/path.h"
#include "base/file.h"
#include "base/result.h"

namespace fallow::artifacts {

// A folder is opened as one that nobody has put a link in place of.
inline constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

// errno's error of `doing` something with the path, whose name is a stranger's.
inline tl::unexpected<Error> failed(std::string_view doing, std::string_view path) {
  const int number = errno;
  return tl::unexpected(file_error(doing, printable(path), number));
}

}  // namespace fallow::artifacts
