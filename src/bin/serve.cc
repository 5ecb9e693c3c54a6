// The market's server, from its folder up.
#include <spdlog/spdlog.h>

#include <cstdio>

#include "base/digest.h"
#include "bin/console_folder.h"
#include "bin/market_host.h"
#include "bin/run_trial.h"
#include "bin/shutdown.h"
#include "bin/snapshots_kept.h"
#include "cli/command.h"
#include "core/policy.h"
#include "log/folder_snapshots.h"
#include "log/sqlite_log.h"
#include "log/sqlite_log_reader.h"
#include "server/server.h"

namespace fallow::bin {
namespace {

Duration to_duration(double hours) {
  return Duration(static_cast<std::int64_t>(hours * 3'600'000'000.0));
}

// "127.0.0.1:8470", "[::1]:0"
Status read_listen(const std::string& text, server::ServerOptions& options) {
  const std::size_t colon = text.rfind(':');
  unsigned long port = 0;
  std::size_t used = 0;
  if (colon != std::string::npos && colon + 1 < text.size() && text.size() - colon <= 6 &&
      text.find_first_not_of("0123456789", colon + 1) == std::string::npos) {
    port = std::stoul(text.substr(colon + 1), &used);
  }
  if (used == 0 || port > 65'535 || colon == 0) {
    return fail(ErrorCode::kInvalid, "--listen takes ADDRESS:PORT, e.g. 127.0.0.1:8470, not '{}'",
                text);
  }
  options.address = text.substr(0, colon);
  if (options.address.front() == '[' && options.address.back() == ']') {
    options.address = options.address.substr(1, options.address.size() - 2);
  }
  options.port = static_cast<std::uint16_t>(port);
  return {};
}

}  // namespace

int MarketHost::serve(const cli::ServerArguments& arguments,
                      const std::function<void(const cli::ServerStarted&)>& started) {
  Shutdown shutdown;
  const auto refuse = [](const Error& error) {
    std::fprintf(stderr, "fallow: %s\n", error.message.c_str());
    return static_cast<int>(cli::kUsage);
  };
  server::ServerOptions options;
  if (const auto read = read_listen(arguments.listen, options); !read) return refuse(read.error());
  options.plain_http = arguments.plain_http;
  options.console = arguments.console.empty() ? console_folder() : arguments.console;
  const bool has_console = !options.console.empty();
  options.market_name = arguments.name;
  options.currency = arguments.currency;
  options.policy = core::default_policy();
  for (const auto& rule : arguments.rules) rule(options.policy);
  options.artifacts.bytes_max = arguments.artifacts_gib_max << 30;
  options.telemetry.bytes_max = arguments.telemetry_gib_max << 30;
  options.retention.outputs = to_duration(arguments.output_hours_kept);
  options.retention.artifacts = to_duration(arguments.artifact_hours_kept);
  options.retention.uploads = to_duration(arguments.upload_hours_kept);
  auto targets = server::WebhookTargets::of(arguments.webhooks_allowed);
  if (!targets) return refuse(targets.error());
  options.webhook_targets = std::move(*targets);
  options.log = [](const std::string& sentence) { spdlog::info("{}", sentence); };

  options.try_policy = [data = arguments.data](const v1::Policy& policy,
                                               const std::function<bool()>& go_on) {
    return run_trial(data, policy, go_on);
  };

  const auto folder = server::DataFolder::open(arguments.data);
  if (!folder) return refuse(folder.error());
  auto log = log::SqliteLog::open(folder->log_folder());
  if (!log) return refuse(log.error());
  const auto head = (*log)->head();
  if (!head) return refuse(head.error());
  if (head->last.value > 0 && !arguments.rules.empty()) {
    spdlog::warn(
        "this market has its rules since its first start: what this command line says of them is "
        "passed over; an operator changes them with PUT /v1/policy");
  }
  auto snapshots =
      log::FolderSnapshots::open(folder->snapshots_folder(), kSnapshotsKept, kSnapshotSpan);
  if (!snapshots) return refuse(snapshots.error());

  server::ServerParts parts;
  parts.random = random_.get();
  parts.engine.log = log->get();
  parts.engine.snapshots = snapshots->get();
  parts.engine.clock = clock_.get();
  parts.engine.open_reader =
      [path = folder->log_folder()]() -> Result<std::unique_ptr<log::LogReader>> {
    FALLOW_ASSIGN(auto reader, log::SqliteLogReader::open(path));
    return std::unique_ptr<log::LogReader>(std::move(reader));
  };
  auto server = server::Server::start(*folder, std::move(options), std::move(parts));
  if (!server) return refuse(server.error());

  cli::ServerStarted running;
  running.url = (*server)->url();
  running.has_console = has_console;
  if (!arguments.plain_http) running.certificate = to_hex((*server)->certificate());
  running.operator_key_path = folder->operator_key_file();
  started(running);
  shutdown.wait();
  return (*server)->stop() ? cli::kDone : cli::kJobFailed;
}

}  // namespace fallow::bin
