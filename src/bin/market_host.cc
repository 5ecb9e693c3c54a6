#include "bin/market_host.h"

#include "base/digest.h"
#include "base/env.h"
#include "engine/audit.h"
#include "log/folder_snapshots.h"
#include "log/sqlite_log_reader.h"
#include "server/data_folder.h"
#include "server/openapi.h"

namespace fallow::bin {
namespace {

// Snapshots kept beside the log: the newest, and one behind it in case that is damaged.
constexpr std::size_t kSnapshotsKept = 3;

}  // namespace

MarketHost::MarketHost() : random_(system_random()), clock_(system_clock()) {}

Result<cli::AuditReport> MarketHost::audit(const std::string& data) {
  FALLOW_ASSIGN(const auto folder, server::DataFolder::open(data));
  FALLOW_ASSIGN(auto reader, log::SqliteLogReader::open(folder.log_folder()));
  FALLOW_ASSIGN(auto snapshots,
                log::FolderSnapshots::open(folder.snapshots_folder(), kSnapshotsKept));
  FALLOW_ASSIGN(const engine::Audit done, engine::audit(*reader, snapshots.get(), {}));
  cli::AuditReport report;
  report.entries = done.entries;
  report.commands = done.commands;
  report.accounts = done.counts.accounts;
  report.leases = done.counts.leases_open;
  report.head = to_hex(done.head.chain);
  report.digest = to_hex(done.digest);
  return report;
}

std::string MarketHost::openapi() { return server::openapi_json(); }

}  // namespace fallow::bin
