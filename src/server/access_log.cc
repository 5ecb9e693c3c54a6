#include "server/access_log.h"

#include <fmt/core.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/rotating_file_sink.h>

#include <chrono>
#include <utility>
#include <vector>

namespace fallow::server {
namespace {

constexpr std::size_t kLinesPerFlush = 1'024;
constexpr std::chrono::seconds kWaitMax{60};

}  // namespace

Result<std::unique_ptr<AccessLog>> AccessLog::open(const std::string& path) {
  try {
    auto sink =
        std::make_shared<spdlog::sinks::rotating_file_sink_mt>(path, kFileBytesMax, kFilesMax - 1);
    auto logger = std::make_shared<spdlog::logger>("access", std::move(sink));
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %v", spdlog::pattern_time_type::utc);
    // A full disk must not fill the terminal, too.
    logger->set_error_handler([](const std::string&) {});
    return std::unique_ptr<AccessLog>(new AccessLog(std::move(logger)));
  } catch (const spdlog::spdlog_ex& error) {
    return fail(ErrorCode::kFailed, "cannot open the access log {}: {}", path, error.what());
  }
}

AccessLog::AccessLog(std::shared_ptr<spdlog::logger> logger)
    : logger_(std::move(logger)), thread_([this] { write_loop(); }) {}

AccessLog::~AccessLog() {
  lines_.close();
  thread_.join();
}

void AccessLog::write(const AccessLine& line) {
  std::string text =
      fmt::format("{} {} {} {} account={} us={}", line.peer, line.method.substr(0, 16), line.route,
                  line.status, line.account.value, line.took.value);
  if (!lines_.try_push(text)) ++dropped_;
}

void AccessLog::write_loop() {
  while (true) {
    const std::vector<std::string> lines = lines_.pop_many(kLinesPerFlush, kWaitMax);
    if (lines.empty() && lines_.is_closed()) return;
    for (const std::string& line : lines) logger_->info("{}", line);
    if (const std::uint64_t dropped = dropped_.exchange(0); dropped > 0) {
      logger_->info("{} lines were dropped: the disk is too slow", dropped);
    }
    if (!lines.empty()) logger_->flush();
  }
}

}  // namespace fallow::server
