// Paths of files within an artifact: what a name from a stranger must be before it touches a disk.
//
// Pure functions, any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace fallow::artifacts {

// kInvalid with a sentence unless `path` is a relative path of one or more parts joined by '/',
// where no part is empty, "." or "..", none is longer than 255 bytes, and all is valid UTF-8
// without control characters; kTooLarge beyond bytes_max or parts_max.
Status check_path(std::string_view path, std::size_t bytes_max, std::size_t parts_max);

// The path as it may be shown: control characters and invalid bytes as '?', cut at 200 bytes.
std::string printable(std::string_view path);

}  // namespace fallow::artifacts
