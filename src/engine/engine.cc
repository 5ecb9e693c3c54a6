#include "engine/engine.h"

#include <sys/resource.h>
#include <unistd.h>

#include <future>
#include <optional>
#include <utility>

#include "base/check.h"

namespace fallow::engine {
namespace {

constexpr int kSnapshotNice = 15;
constexpr std::chrono::seconds kMarketIdleMax{1};

std::chrono::microseconds to_chrono(Duration duration) {
  return std::chrono::microseconds(duration.value);
}

v1::Command opening_command(bool is_new, const v1::Found& found) {
  v1::Command command;
  if (is_new) {
    *command.mutable_found() = found;
  } else {
    command.mutable_resume();
  }
  return command;
}

Status none_refused(core::EventSpan events) {
  for (const v1::Event& event : events) {
    if (!event.has_refused()) continue;
    return fail(ErrorCode::kInvalid, "the market refused to open: {}", event.refused().message());
  }
  return {};
}

// A log whose first command founds no market can found none any more: so that is tried before
// anything is written.
Status try_opening(const v1::Command& command, const core::Limits& limits, Time now) {
  core::Machine trial(limits);
  core::Events events;
  trial.apply(LogIndex{1}, now, command, events);
  return none_refused(events);
}

}  // namespace

Engine::Engine(EngineParts parts, const EngineOptions& options, Recovered recovered)
    : parts_(std::move(parts)),
      options_(options),
      machine_(std::move(recovered.machine)),
      started_from_(recovered.snapshot),
      replayed_(recovered.replayed),
      notes_(std::move(recovered.notes)),
      sequencer_(*parts_.log, recovered.head, *machine_, *parts_.clock, parts_.subscribers,
                 options.sequencer) {
  if (parts_.snapshots != nullptr && parts_.open_reader) {
    snapshotter_ =
        std::make_unique<Snapshotter>(parts_.open_reader, *parts_.snapshots, options_.limits,
                                      *parts_.clock, options_.snapshots, started_from_);
  }
}

Result<std::unique_ptr<Engine>> Engine::start(EngineParts parts, const EngineOptions& options,
                                              const v1::Found& found) {
  FALLOW_CHECK(parts.log != nullptr && parts.clock != nullptr, "an engine needs a log and a clock");
  FALLOW_ASSIGN(Recovered recovered,
                recover(*parts.log, parts.snapshots, options.limits, parts.subscribers, nullptr));
  auto engine =
      std::unique_ptr<Engine>(new Engine(std::move(parts), options, std::move(recovered)));
  FALLOW_TRY(engine->open_market(found));
  engine->start_threads();
  return engine;
}

Status Engine::open_market(const v1::Found& found) {
  stopped_ = true;  // until the threads run there is nothing to stop
  const bool is_new = machine_->last_index().value == 0;
  const v1::Command command = opening_command(is_new, found);
  if (is_new) {
    FALLOW_TRY(try_opening(command, options_.limits, parts_.clock->now()));
  } else if (!machine_->founded()) {
    return fail(ErrorCode::kCorrupt,
                "the log founds no market: its first command is not Found. Name another data "
                "folder, or restore this one from a backup");
  }
  Status opened = fail(ErrorCode::kBusy, "the first command was not answered");
  const Completion done = [&opened](const Result<Applied>& applied, const core::Machine&) {
    opened = applied ? none_refused(applied->events) : tl::unexpected(applied.error());
  };
  FALLOW_TRY(sequencer_.submit(command, done));
  sequencer_.step();
  if (!opened) {
    const std::string storage_error = sequencer_.stats().storage_error;
    if (storage_error.empty()) return opened;
    return fail(ErrorCode::kBusy, "{}", storage_error);
  }
  return {};
}

void Engine::start_threads() {
  stopped_ = false;
  log_thread_ = std::thread([this] { run_log(); });
  market_thread_ = std::thread([this] { run_market(); });
  // What `top -H` shows.
  ::pthread_setname_np(log_thread_.native_handle(), "fallow-log");
  ::pthread_setname_np(market_thread_.native_handle(), "fallow-market");
  if (snapshotter_ == nullptr) return;
  snapshot_thread_ = std::thread([this] {
    // On Linux this is the thread's own priority. Without it snapshots only come sooner.
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kSnapshotNice);
    snapshotter_->run([this] { return sequencer_.stats().applied; });
  });
  ::pthread_setname_np(snapshot_thread_.native_handle(), "fallow-snapshot");
}

void Engine::run_log() {
  for (;;) {
    if (sequencer_.append_step()) continue;
    if (sequencer_.drained()) break;
    parts_.log->tend();
    sequencer_.append_work().wait_for(to_chrono(sequencer_.idle_for_max()));
  }
  log_ended_ = true;
  sequencer_.apply_work().raise();
}

void Engine::run_market() {
  for (;;) {
    // Read first: after the log thread's end no batch is added, so one more look finds the last.
    const bool last_look = log_ended_;
    if (sequencer_.apply_step()) continue;
    if (last_look) return;
    sequencer_.apply_work().wait_for(kMarketIdleMax);
  }
}

Engine::~Engine() { stop(); }

void Engine::stop() {
  if (std::exchange(stopped_, true)) return;
  sequencer_.close();
  if (snapshotter_ != nullptr) snapshotter_->stop();
  log_thread_.join();
  market_thread_.join();
  if (snapshot_thread_.joinable()) snapshot_thread_.join();
  snapshot_at_stop();
}

void Engine::snapshot_at_stop() {
  if (parts_.snapshots == nullptr || options_.snapshot_at_stop_commands_min == 0) return;
  const LogIndex newest = snapshotter_ == nullptr ? started_from_ : snapshotter_->stats().newest;
  const LogIndex last = machine_->last_index();
  if (last.value - newest.value < options_.snapshot_at_stop_commands_min) return;
  // The market stands still now, so its own state can be written. If that fails, the next start
  // replays more: nothing is lost and nobody is left to be told.
  const auto saved = save(*machine_, log::Head{last, machine_->now(), sequencer_.chain()},
                          *parts_.snapshots, nullptr);
  static_cast<void>(saved);
}

Status Engine::submit(const v1::Command& command, Completion done) {
  return sequencer_.submit(command, std::move(done));
}

Status Engine::read(Read look) { return sequencer_.read(std::move(look)); }

Result<Answer> Engine::execute(const v1::Command& command) {
  std::promise<Result<Answer>> promise;
  std::future<Result<Answer>> future = promise.get_future();
  FALLOW_TRY(submit(command, [&promise](const Result<Applied>& applied, const core::Machine&) {
    if (!applied) {
      promise.set_value(tl::unexpected(applied.error()));
      return;
    }
    promise.set_value(
        Answer{applied->index, applied->time, {applied->events.begin(), applied->events.end()}});
  }));
  return future.get();
}

EngineStats Engine::stats() const {
  EngineStats stats{sequencer_.stats(), {}};
  if (snapshotter_ != nullptr) stats.snapshots = snapshotter_->stats();
  return stats;
}

}  // namespace fallow::engine
