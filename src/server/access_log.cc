#include "server/access_log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/rotating_file_sink.h>

namespace fallow::server {

Result<std::unique_ptr<AccessLog>> AccessLog::open(const std::string& path) {
  try {
    auto sink =
        std::make_shared<spdlog::sinks::rotating_file_sink_mt>(path, kFileBytesMax, kFilesMax - 1);
    auto logger = std::make_shared<spdlog::logger>("access", std::move(sink));
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %v", spdlog::pattern_time_type::utc);
    logger->flush_on(spdlog::level::info);
    // A full disk must not fill the terminal, too.
    logger->set_error_handler([](const std::string&) {});
    return std::unique_ptr<AccessLog>(new AccessLog(std::move(logger)));
  } catch (const spdlog::spdlog_ex& error) {
    return fail(ErrorCode::kFailed, "cannot open the access log {}: {}", path, error.what());
  }
}

AccessLog::~AccessLog() = default;

void AccessLog::write(const AccessLine& line) {
  logger_->info("{} {} {} {} account={} us={}", line.peer, line.method.substr(0, 16), line.route,
                line.status, line.account.value, line.took.value);
}

}  // namespace fallow::server
