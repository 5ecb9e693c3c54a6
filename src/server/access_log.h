// One line a request, in files that never grow beyond a limit together. No header, query or body
// enters it, so no secret does.
//
// Owner: Server. write() on any thread; it never waits for the disk. Lines beyond what the disk
// takes are dropped and counted in the next one that is written.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "base/bounded_queue.h"
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
  static constexpr std::size_t kLinesWaitingMax = 16'384;

  // `path`: the newest file; older ones get numbers.
  static Result<std::unique_ptr<AccessLog>> open(const std::string& path);
  // What was taken is still written.
  ~AccessLog();

  void write(const AccessLine& line);

 private:
  explicit AccessLog(std::shared_ptr<spdlog::logger> logger);
  void write_loop();

  const std::shared_ptr<spdlog::logger> logger_;
  BoundedQueue<std::string> lines_{kLinesWaitingMax};
  std::atomic<std::uint64_t> dropped_ = 0;
  std::thread thread_;
};

}  // namespace fallow::server
