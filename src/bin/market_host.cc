#include "bin/market_host.h"

#include "base/digest.h"
#include "base/env.h"
#include "bin/snapshots_kept.h"
#include "engine/audit.h"
#include "log/folder_lock.h"
#include "log/folder_snapshots.h"
#include "log/sqlite_log_reader.h"
#include "server/openapi.h"

namespace fallow::bin {

MarketHost::MarketHost() : random_(system_random()), clock_(system_clock()) {}

Result<cli::AuditReport> MarketHost::audit(const std::string& data) {
  // Read first: auditing what is not there must not make it.
  FALLOW_ASSIGN(auto reader, log::SqliteLogReader::open(data + "/log"));
  // Beside a running server only the log is read: its snapshots are in its hands.
  const auto lock = log::FolderLock::take(data + "/log");
  std::unique_ptr<log::FolderSnapshots> snapshots;
  if (lock) {
    FALLOW_ASSIGN(snapshots,
                  log::FolderSnapshots::open(data + "/snapshots", kSnapshotsKept, kSnapshotSpan));
  }
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
