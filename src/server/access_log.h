// One line a request, in files that never grow beyond a limit together. No header, query or body
// enters it, so no secret does.
//
// Owner: Server. Any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/types.h"

namespace spdlog {
class logger;
}

namespace fallow::server {

struct AccessLine {
  std::string_view peer;  // address and port
  std::string_view method;
  std::string_view route;  // the path's template, or "-" where none fits
  int status = 0;
  AccountId account;  // 0: nobody
  Duration took;
};

class AccessLog {
 public:
  static constexpr std::size_t kFileBytesMax = 10'000'000;
  static constexpr std::size_t kFilesMax = 5;

  // `path`: the newest file; older ones get numbers.
  static Result<std::unique_ptr<AccessLog>> open(const std::string& path);
  ~AccessLog();

  void write(const AccessLine& line);

 private:
  explicit AccessLog(std::shared_ptr<spdlog::logger> logger) : logger_(std::move(logger)) {}
  std::shared_ptr<spdlog::logger> logger_;
};

}  // namespace fallow::server
