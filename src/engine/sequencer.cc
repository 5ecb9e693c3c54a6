#include "engine/sequencer.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <utility>

#include "base/check.h"
#include "engine/utf8_check.h"

namespace fallow::engine {
namespace {

constexpr std::string_view kStorageRefusal =
    "the market cannot store commands at the moment, so nothing was done; try again in a few "
    "seconds";
constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

std::int64_t deadline_us_of(const core::Machine& machine) {
  const std::optional<Time> deadline = machine.next_deadline();
  return deadline ? deadline->us : kNever;
}

// Of those that were applied so many are kept for the next to come: one is filled,
// batches_ahead_max and one more are on their way.
constexpr std::size_t kSpare = 4;
constexpr std::size_t kSpareBytesMax = std::size_t{8} << 20;  // of a larger one nothing is kept

// A command whose bytes do not parse (text that is not UTF-8) must never reach the log: what is
// applied now is what a replay will parse.
bool would_parse(std::string_view bytes) {
  static const Utf8Check check(*v1::Command::descriptor());
  return check.passes(bytes);
}

}  // namespace

Sequencer::Sequencer(log::Log& log, const log::Head& head, core::Machine& machine,
                     const Clock& clock, std::vector<Subscriber*> subscribers,
                     const SequencerLimits& limits)
    : log_(log),
      machine_(machine),
      clock_(clock),
      subscribers_(std::move(subscribers)),
      limits_(limits),
      time_(clock, head.time),
      chain_(head.chain),
      deadline_us_(deadline_us_of(machine)),
      applied_(head.last.value) {
  FALLOW_CHECK(machine.last_index() == head.last, "the machine is at command {}, the log at {}",
               machine.last_index().value, head.last.value);
}

void Sequencer::Gathering::add(const v1::Command& command, std::string_view bytes,
                               Completion&& answer) {
  commands.push_back(command);
  done.push_back(std::move(answer));
  encoded.add(bytes);
}

void Sequencer::Gathering::clear() {
  commands.clear();
  done.clear();
  encoded.clear();
}

Status Sequencer::submit(const v1::Command& command, Completion done) {
  if (command.kind_case() == v1::Command::KIND_NOT_SET) {
    return fail(ErrorCode::kInvalid, "a command without a kind cannot be stored");
  }
  const std::size_t size = command.ByteSizeLong();
  if (size > limits_.command_bytes_max) {
    return fail(ErrorCode::kTooLarge, "a command of {} bytes is beyond the maximum of {}", size,
                limits_.command_bytes_max);
  }
  thread_local std::vector<std::uint8_t> buffer;
  if (buffer.size() < size) buffer.resize(size);
  command.SerializeWithCachedSizesToArray(buffer.data());
  const std::string_view bytes(reinterpret_cast<const char*>(buffer.data()), size);
  if (!would_parse(bytes)) {
    return fail(ErrorCode::kInvalid, "the command holds text that is not UTF-8");
  }
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return fail(ErrorCode::kClosed, "the market is shutting down");
    if (commands_waiting_ >= limits_.commands_waiting_max ||
        bytes_waiting_ + size > limits_.bytes_waiting_max) {
      ++turned_away_;
      return fail(ErrorCode::kBusy,
                  "the market has more commands waiting than it takes; try "
                  "again in a second");
    }
    ++commands_waiting_;
    bytes_waiting_ += size;
    if (intake_.empty() || intake_.back().commands.size() >= limits_.batch_commands_max ||
        intake_.back().encoded.payload_bytes() >= limits_.batch_bytes_max) {
      if (spare_.empty()) {
        intake_.emplace_back();
      } else {
        intake_.push_back(std::move(spare_.back()));
        spare_.pop_back();
      }
    }
    intake_.back().add(command, bytes, std::move(done));
  }
  append_work_.raise();
  return {};
}

Status Sequencer::read(Read look) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return fail(ErrorCode::kClosed, "the market is shutting down");
    if (reads_.size() >= limits_.reads_waiting_max) {
      ++turned_away_;
      return fail(ErrorCode::kBusy,
                  "the market has more requests waiting than it takes; try "
                  "again in a second");
    }
    reads_.push_back(std::move(look));
  }
  apply_work_.raise();
  return {};
}

void Sequencer::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  append_work_.raise();
  apply_work_.raise();
}

bool Sequencer::drained() const {
  const std::lock_guard lock(mutex_);
  return closed_ && commands_waiting_ == 0;
}

bool Sequencer::step() {
  const bool appended = append_step();
  bool worked = appended;
  while (apply_step()) worked = true;
  return worked;
}

bool Sequencer::append_step() {
  {
    // Only this half adds to it, so the room stays.
    const std::lock_guard lock(mutex_);
    if (handed_.size() >= limits_.batches_ahead_max) return false;
  }
  Handed handed;
  if (retry_at_ && clock_.monotonic() < *retry_at_) {
    handed.gathering = collect();
    if (handed.gathering.commands.empty()) return false;
    handed.at = fail(ErrorCode::kBusy, "{}", kStorageRefusal);
    hand_over(std::move(handed));
    return true;
  }
  const Time now = time_.now();
  handed.gathering = collect();
  // Behind the commands: what came in time is not overtaken by its deadline.
  const bool tick = tick_due(now);
  if (tick) {
    v1::Command command;
    command.mutable_tick();
    const std::string bytes = command.SerializeAsString();
    handed.gathering.add(command, bytes, {});
  }
  if (handed.gathering.commands.empty()) return false;
  handed.at = append(handed.gathering, now);
  if (tick && handed.at) tick_at_ = handed.at->last;
  hand_over(std::move(handed));
  return true;
}

Sequencer::Gathering Sequencer::collect() {
  const std::lock_guard lock(mutex_);
  if (intake_.empty()) return {};
  Gathering gathering = std::move(intake_.front());
  intake_.pop_front();
  commands_waiting_ -= gathering.commands.size();
  bytes_waiting_ -= gathering.encoded.payload_bytes();
  return gathering;
}

bool Sequencer::tick_due(Time now) {
  if (retry_at_) return true;  // nothing else may come by that would show the log is well again
  const std::uint64_t applied = applied_.load(std::memory_order_acquire);
  return applied >= tick_at_.value && deadline_us_.load(std::memory_order_relaxed) <= now.us;
}

Result<log::Appended> Sequencer::append(const Gathering& batch, Time now) {
  auto at = log_.append(batch.encoded, now);
  if (!at) {
    // Anything but kBusy leaves open whether the batch is stored. Only a restart can tell.
    FALLOW_CHECK(at.error().code == ErrorCode::kBusy,
                 "whether the last commands are stored is unknown ({}); the log is safe: start the "
                 "server again",
                 at.error().message);
    retry_at_ = clock_.monotonic() + limits_.storage_retry;
    const std::lock_guard lock(mutex_);
    storage_error_ = at.error().message;
    ++appended_.storage_errors;
    return fail(ErrorCode::kBusy, "{}", kStorageRefusal);
  }
  retry_at_.reset();
  const std::lock_guard lock(mutex_);
  storage_error_.clear();
  ++appended_.batches;
  appended_.commands += batch.encoded.size();
  appended_.bytes += batch.encoded.payload_bytes();
  return at;
}

void Sequencer::hand_over(Handed handed) {
  {
    const std::lock_guard lock(mutex_);
    handed_.push_back(std::move(handed));
  }
  apply_work_.raise();
}

Duration Sequencer::idle_for_max() {
  Duration idle = kIdleMax;
  {
    const std::lock_guard lock(mutex_);
    if (handed_.size() >= limits_.batches_ahead_max) return idle;  // apply_step() makes room
  }
  if (retry_at_) {
    idle = *retry_at_ - clock_.monotonic();
  } else if (applied_.load(std::memory_order_acquire) >= tick_at_.value) {
    const std::int64_t deadline_us = deadline_us_.load(std::memory_order_relaxed);
    if (deadline_us != kNever) idle = Time{deadline_us} - time_.now();
  }
  return std::clamp(idle, Duration(0), kIdleMax);
}

bool Sequencer::apply_step() {
  std::optional<Handed> handed;
  {
    const std::lock_guard lock(mutex_);
    if (!handed_.empty()) {
      handed = std::move(handed_.front());
      handed_.pop_front();
    }
  }
  if (handed) {
    append_work_.raise();  // there is room for the next
    if (handed->at) {
      apply(*handed);
      publish(*handed);
    } else {
      refuse(*handed);
    }
    recycle(std::move(handed->gathering));
  }
  const bool looked = run_reads();
  return handed.has_value() || looked;
}

void Sequencer::apply(const Handed& handed) {
  chain_ = handed.at->chain;
  events_.clear();
  ends_.clear();
  LogIndex index = handed.at->first;
  const Gathering& batch = handed.gathering;
  for (std::size_t i = 0; i < batch.commands.size(); ++i) {
    const std::size_t begin = events_.size();
    machine_.apply(index, handed.at->time, batch.commands[i], events_);
    ends_.push_back(events_.size());
    if (batch.done[i]) {
      batch.done[i](
          Applied{index, handed.at->time, &batch.commands[i], events_.view().subspan(begin)},
          machine_);
    }
    index += LogIndex(1);
  }
}

void Sequencer::recycle(Gathering&& batch) {
  if (batch.encoded.body().capacity() > kSpareBytesMax) return;
  batch.clear();
  const std::lock_guard lock(mutex_);
  if (spare_.size() < kSpare) spare_.push_back(std::move(batch));
}

void Sequencer::refuse(const Handed& handed) {
  const Result<Applied> refusal = tl::unexpected(handed.at.error());
  for (const Completion& done : handed.gathering.done) {
    if (done) done(refusal, machine_);
  }
}

void Sequencer::publish(const Handed& handed) {
  deadline_us_.store(deadline_us_of(machine_), std::memory_order_relaxed);
  applied_.store(handed.at->last.value, std::memory_order_release);
  append_work_.raise();  // the deadline may be nearer now
  if (subscribers_.empty()) return;

  applied_batch_.clear();
  const core::EventSpan events = events_;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < handed.gathering.commands.size(); ++i) {
    applied_batch_.push_back(Applied{LogIndex(handed.at->first.value + i), handed.at->time,
                                     &handed.gathering.commands[i],
                                     events.subspan(begin, ends_[i] - begin)});
    begin = ends_[i];
  }
  const Batch batch{handed.at->time, handed.at->chain, applied_batch_};
  for (Subscriber* subscriber : subscribers_) subscriber->on_batch(batch, machine_);
}

bool Sequencer::run_reads() {
  const Time until = clock_.monotonic() + limits_.reads_per_step_max;
  bool looked = false;
  do {
    Read look;
    {
      const std::lock_guard lock(mutex_);
      if (reads_.empty()) break;
      look = std::move(reads_.front());
      reads_.pop_front();
    }
    look(machine_);
    looked = true;
  } while (clock_.monotonic() < until);
  return looked;
}

SequencerStats Sequencer::stats() const {
  const std::lock_guard lock(mutex_);
  SequencerStats stats = appended_;
  stats.commands_waiting = commands_waiting_;
  stats.reads_waiting = reads_.size();
  stats.turned_away = turned_away_;
  stats.storage_error = storage_error_;
  stats.applied = LogIndex(applied_.load(std::memory_order_acquire));
  return stats;
}

}  // namespace fallow::engine
