// ConsoleFiles: the built pages of the console (web/dist), held in memory and served by name.
//
// Owner: Server; immutable once loaded, any thread. Only the names that were found when it was
// loaded are ever served, so no path of a stranger reaches the file system.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/http.h"

namespace fallow::server {

struct ConsoleLimits {
  std::size_t files_max = 2'000;
  std::size_t bytes_max = 64 * 1024 * 1024;  // of all files together
};

class ConsoleFiles {
 public:
  // No console: its paths say how to build one.
  ConsoleFiles() = default;
  // Every regular file below `folder`; links are passed over. kNotFound when the folder has no
  // index.html, kTooLarge beyond the limits.
  static Result<ConsoleFiles> load(const std::string& folder, const ConsoleLimits& limits = {});

  // The answer to a GET or HEAD; nothing when the path is none of the console's.
  //   /assets/*                      immutable, kept for ever: their names carry their hash
  //   other files                    asked for again each time, by ETag
  //   "/" and what stands under the console's own names (is_page)    index.html, never kept
  std::optional<net::Response> find(const net::Request& request) const;

  // Is the path one of the console's pages ("/jobs/7")? web/src/routes.ts has the same names.
  static bool is_page(const net::Target& target);
  bool empty() const { return files_.empty(); }

 private:
  struct File {
    std::string bytes;
    std::string brotli;  // of the same, or empty
    std::string gzip;
    std::string media_type;
    std::string etag;
  };
  net::Response answer(const File& file, bool is_index, bool is_immutable,
                       const net::Request& request) const;

  std::map<std::string, File, std::less<>> files_;  // by path: "/assets/index-1a2b.js"
};

}  // namespace fallow::server
