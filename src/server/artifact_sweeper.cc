#include "server/artifact_sweeper.h"

#include <algorithm>
#include <future>
#include <memory>
#include <utility>

#include "server/scan.h"

namespace fallow::server {
namespace {

void add_root(const std::string& manifest, std::vector<Digest>& roots) {
  if (const auto digest = digest_from_bytes(manifest)) roots.push_back(*digest);
}

}  // namespace

ArtifactSweeper::ArtifactSweeper(artifacts::BlobStore& store, engine::Engine& engine,
                                 Superseded& superseded, const Retention& retention,
                                 std::function<void(const std::string&)> log)
    : store_(store),
      engine_(engine),
      superseded_(superseded),
      retention_(retention),
      log_(std::move(log)),
      file_clock_(system_clock()) {}

ArtifactSweeper::~ArtifactSweeper() { stop(); }

void ArtifactSweeper::start() {
  thread_ = std::thread([this] { loop(); });
}

void ArtifactSweeper::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

ArtifactSweeper::Counts ArtifactSweeper::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

void ArtifactSweeper::loop() {
  const std::chrono::microseconds interval(retention_.interval.value);
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, interval, [this] { return stopping_.load(); })) {
    lock.unlock();
    const auto swept = sweep_now();
    if (log_ && !swept && !stopping_) {
      log_("the artifact store was not swept, and keeps what it has: " + swept.error().message);
    }
    if (log_ && swept && swept->blobs + swept->uploads > 0) {
      log_(fmt::format("swept {} artifacts of {} bytes and {} unfinished uploads that nobody needs",
                       swept->blobs, swept->bytes, swept->uploads));
    }
    lock.lock();
  }
}

Result<artifacts::Swept> ArtifactSweeper::sweep_now() {
  const Time now = file_clock_->now();
  let_go_superseded(now - retention_.superseded);
  auto swept = [&]() -> Result<artifacts::Swept> {
    // The market's own time decides when an order ended.
    FALLOW_ASSIGN(const std::vector<Digest> wanted, roots(now - retention_.outputs));
    artifacts::SweepRules rules;
    rules.blobs_before = now - kept();
    rules.uploads_before = now - retention_.uploads;
    rules.cancelled = &stopping_;
    return artifacts::sweep(store_, wanted, rules);
  }();
  const std::lock_guard lock(mutex_);
  ++counts_.sweeps;
  if (swept) {
    counts_.artifacts += swept->blobs;
    counts_.bytes += swept->bytes;
    counts_.uploads += swept->uploads;
  } else {
    ++counts_.failures;
  }
  return swept;
}

void ArtifactSweeper::let_go_superseded(Time before) {
  for (const Digest& manifest : superseded_.take()) {
    const auto gone = stopping_ ? false : artifacts::let_go(store_, manifest, before);
    // What cannot be read now may be later; what is no manifest has no files to let go.
    const bool may_help = gone ? !*gone : gone.error().code == ErrorCode::kFailed;
    if (may_help) superseded_.add(manifest);
  }
}

Duration ArtifactSweeper::kept() const {
  const std::uint64_t full = store_.limits().bytes_max / 100 * Retention::kFullPercent;
  return store_.bytes_used() <= full
             ? retention_.artifacts
             : std::min(retention_.artifacts, retention_.artifacts_when_full);
}

Result<std::vector<Digest>> ArtifactSweeper::roots(Time outputs_since) {
  std::vector<Digest> roots;
  OrderId order;
  FALLOW_TRY(visit_all([&](const core::Machine& machine) {
    std::size_t rows = 0;
    machine.visit_orders_newest(order, [&](const core::Order& seen) {
      order = seen.id;
      if (seen.state == v1::OPEN) add_root(seen.workload.input_manifest(), roots);
      return ++rows < kScanRowsMax;
    });
    return rows < kScanRowsMax;
  }));
  LeaseId lease;
  FALLOW_TRY(visit_all([&](const core::Machine& machine) {
    std::size_t rows = 0;
    machine.visit_leases_newest(lease, [&](const core::Lease& seen) {
      lease = seen.id;
      const core::Order* const of = machine.order(seen.order);
      if (of != nullptr && (of->state == v1::OPEN || of->ended_at >= outputs_since)) {
        add_root(seen.output_manifest, roots);
        const core::Task& task = of->tasks[seen.task];
        if (task.lease == seen.id && task.state != v1::DONE) add_root(seen.checkpoint, roots);
      }
      return ++rows < kScanRowsMax;
    });
    return rows < kScanRowsMax;
  }));
  std::sort(roots.begin(), roots.end());
  roots.erase(std::unique(roots.begin(), roots.end()), roots.end());
  return roots;
}

Status ArtifactSweeper::visit_all(const std::function<bool(const core::Machine&)>& look) {
  for (bool at_end = false; !at_end;) {
    if (stopping_) return fail(ErrorCode::kClosed, "the server stops");
    const auto seen = std::make_shared<std::promise<bool>>();
    FALLOW_TRY(engine_.read(
        [&look, seen](const core::Machine& machine) { seen->set_value(look(machine)); }));
    at_end = seen->get_future().get();
  }
  return {};
}

}  // namespace fallow::server
