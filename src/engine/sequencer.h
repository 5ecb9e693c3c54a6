// Sequencer: turns submitted commands into entries of the log, and entries into answers.
//
// Two halves, so that one batch is applied while the next is being synced:
//   append_step()  takes what waits, up to a limit, and appends it to the log in one transaction.
//   apply_step()   applies a durable batch to the machine, answers its callers, tells subscribers,
//                  and lets reads look at the machine.
// Nothing is answered or shown before it is durable. The sequencer has no thread and no clock of
// its own: Engine drives each half on a thread, the simulator calls step() on its one thread.
//
// Owner: Engine, or a simulator. Threads: submit(), read(), close(), stats() from any;
// append_step() and idle_for_max() from one ("log thread"); apply_step() and chain() from one
// ("market thread").
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "base/types.h"
#include "core/machine.h"
#include "engine/batch.h"
#include "engine/market_time.h"
#include "engine/signal.h"
#include "log/log.h"

namespace fallow::engine {

struct SequencerLimits {
  std::size_t commands_waiting_max = 16'384;
  std::size_t bytes_waiting_max = std::size_t{64} << 20;
  std::size_t command_bytes_max = std::size_t{1} << 20;
  std::size_t batch_commands_max = 4'096;              // and a Tick
  std::size_t batch_bytes_max = std::size_t{4} << 20;  // one command more may go beyond it
  std::size_t batches_ahead_max = 2;                   // durable, not yet applied
  std::size_t reads_waiting_max = 4'096;
  Duration reads_per_step_max = milliseconds(1);  // after that, commands have their turn
  Duration storage_retry = milliseconds(200);     // between attempts while the log takes nothing
};

// A moment's figures, for metrics and health.
struct SequencerStats {
  std::size_t commands_waiting = 0;
  std::size_t reads_waiting = 0;
  std::uint64_t batches = 0;         // appended since the start
  std::uint64_t commands = 0;        // in them
  std::uint64_t bytes = 0;           // in them
  std::uint64_t turned_away = 0;     // submit() and read() that found a full queue
  std::uint64_t storage_errors = 0;  // batches that the log did not take
  LogIndex applied;                  // everything up to here is in the machine
  std::string storage_error;         // why the log takes nothing now; empty: it does
};

class Sequencer {
 public:
  // `machine` stands where `head`, the end of `log`, does. All references must outlive this.
  Sequencer(log::Log& log, const log::Head& head, core::Machine& machine, const Clock& clock,
            std::vector<Subscriber*> subscribers, const SequencerLimits& limits = {});

  // Queues a copy of the command, which is taken if and only if this succeeds; `done` (may be
  // empty) is then called once. Errors: kBusy (a queue is full), kTooLarge, kInvalid (no kind, or
  // text that is not UTF-8), kClosed.
  Status submit(const v1::Command& command, Completion done);
  // Queues a look at the machine. kBusy or kClosed; the function is then never called.
  Status read(Read look);
  // From now on nothing is accepted; what was accepted is still worked off by the steps.
  void close();

  // Each answers whether it found something to do.
  bool append_step();
  bool apply_step();
  // Both halves, for whoever drives it on one thread. After it nothing durable is unapplied.
  bool step();

  // How long append_step() finds nothing to do unless append_work() is raised: until the machine's
  // next deadline, or the next attempt after a storage error. At most kIdleMax.
  Duration idle_for_max();
  static constexpr Duration kIdleMax = seconds(1);

  // Closed, and every accepted command was appended or refused.
  bool drained() const;

  // The chain of the entry that was applied last, or is being applied. Market thread.
  const Digest& chain() const { return chain_; }
  SequencerStats stats() const;

  // Raised whenever append_step() / apply_step() may have found something to do.
  Signal& append_work() { return append_work_; }
  Signal& apply_work() { return apply_work_; }

 private:
  // The commands of a batch are gathered as they come, also as the log will store them: making one
  // of what waits moves nothing. They stand on memory of the batch, close together for the thread
  // that applies them, and let go with it: what a command's maker has made, its maker lets go.
  struct Gathering {
    core::MessageList<v1::Command> commands;
    std::vector<Completion> done;  // of each
    log::EncodedBatch encoded;     // of each

    void add(const v1::Command& command, std::string_view bytes, Completion&& answer);
    void clear();
  };
  // What append_step() hands to apply_step().
  struct Handed {
    Gathering gathering;
    Result<log::Appended> at;
  };

  // The next batch of waiting commands; an empty one where none waits.
  Gathering collect();
  // A Tick when a deadline has passed that no Tick on its way will serve, or to try the log again.
  bool tick_due(Time now);
  Result<log::Appended> append(const Gathering& batch, Time now);
  void hand_over(Handed handed);
  void apply(const Handed& handed);
  // Keeps the memory of a batch that was answered for the next.
  void recycle(Gathering&& batch);
  void refuse(const Handed& handed);
  void publish(const Handed& handed);
  bool run_reads();

  log::Log& log_;
  core::Machine& machine_;
  const Clock& clock_;
  const std::vector<Subscriber*> subscribers_;
  const SequencerLimits limits_;

  Signal append_work_;
  Signal apply_work_;

  mutable std::mutex mutex_;  // guards what follows, up to the next blank line
  bool closed_ = false;
  std::deque<Gathering> intake_;      // the last one still takes more
  std::size_t commands_waiting_ = 0;  // in it: commands_waiting_max
  std::size_t bytes_waiting_ = 0;     // in it: bytes_waiting_max
  std::vector<Gathering> spare_;      // empty, with the memory of those that were applied
  std::deque<Handed> handed_;         // batches_ahead_max
  std::deque<Read> reads_;            // reads_waiting_max
  std::uint64_t turned_away_ = 0;
  std::string storage_error_;
  SequencerStats appended_;

  // Log thread.
  MarketTime time_;
  LogIndex tick_at_;              // the latest Tick's place
  std::optional<Time> retry_at_;  // monotonic; set while the log takes nothing

  // Market thread.
  Digest chain_{};
  core::Events events_;            // of the batch being applied
  std::vector<std::size_t> ends_;  // one past each command's last event
  std::vector<Applied> applied_batch_;

  // From the market thread to the others: written deadline first, then place.
  std::atomic<std::int64_t> deadline_us_;
  std::atomic<std::uint64_t> applied_;
};

}  // namespace fallow::engine
