// Engine: the running market. It owns the machine, the two threads that drive the sequencer and the
// one that makes snapshots; everyone else talks to it through bounded queues.
//
// Owner: bin/ makes one per server. Threads: submit(), execute(), read(), stats() from any thread;
// start() and stop() from the owner's. Completions, reads and subscribers run on the market thread.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "base/types.h"
#include "core/limits.h"
#include "core/machine.h"
#include "engine/batch.h"
#include "engine/recovery.h"
#include "engine/sequencer.h"
#include "engine/snapshotter.h"
#include "log/log.h"
#include "log/snapshots.h"

namespace fallow::engine {

// What the engine stands on. Everything must outlive it and is its alone while it runs.
struct EngineParts {
  log::Log* log = nullptr;
  log::SnapshotStore* snapshots = nullptr;  // null: none are read or made
  OpenReader open_reader;                   // empty: none are made while the market runs
  const Clock* clock = nullptr;
  std::vector<Subscriber*> subscribers;
};

struct EngineOptions {
  core::Limits limits;
  SequencerLimits sequencer;
  SnapshotRules snapshots;
  // stop() leaves a snapshot if this many commands lie behind the newest; 0: never.
  std::uint64_t snapshot_at_stop_commands_min = 10'000;
};

struct EngineStats {
  SequencerStats sequencer;
  SnapshotStats snapshots;
};

// The answer of execute(): Applied with an owned copy of the events.
struct Answer {
  LogIndex index;
  Time time;
  std::vector<v1::Event> events;
};

class Engine {
 public:
  // Brings the machine to the log's end, appends `found` to an empty log and Resume to any other,
  // and starts the threads. Errors: what recover() says; the log takes nothing; the market refuses
  // `found`, and then the log stays empty; the log's first command founded no market.
  static Result<std::unique_ptr<Engine>> start(EngineParts parts, const EngineOptions& options,
                                               const v1::Found& found);
  // stop(), if that was not called.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // See Sequencer.
  Status submit(const v1::Command& command, Completion done);
  Status read(Read look);

  // Submits and waits for the answer. Never from the market thread.
  Result<Answer> execute(const v1::Command& command);

  // Refuses what comes from now on, works off what was accepted, then ends the threads. Idempotent.
  void stop();

  // Only from the market thread (completions, reads, subscribers): the log's chain at the entry
  // that was applied last.
  const Digest& chain() const { return sequencer_.chain(); }

  EngineStats stats() const;
  // How this start went: from which snapshot, how much was replayed, what was passed over.
  LogIndex started_from() const { return started_from_; }
  std::uint64_t replayed() const { return replayed_; }
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  Engine(EngineParts parts, const EngineOptions& options, Recovered recovered);
  Status open_market(const v1::Found& found);
  void start_threads();
  void run_log();
  void run_market();
  void snapshot_at_stop();

  const EngineParts parts_;
  const EngineOptions options_;
  const std::unique_ptr<core::Machine> machine_;
  const LogIndex started_from_;
  const std::uint64_t replayed_;
  const std::vector<std::string> notes_;
  Sequencer sequencer_;
  std::unique_ptr<Snapshotter> snapshotter_;
  std::atomic<bool> log_ended_ = false;
  std::thread log_thread_;
  std::thread market_thread_;
  std::thread snapshot_thread_;
  bool stopped_ = false;
};

}  // namespace fallow::engine
