#include "engine/snapshotter.h"

#include <utility>

#include "engine/recovery.h"

namespace fallow::engine {
namespace {

constexpr std::chrono::milliseconds kLookEvery{500};

}  // namespace

Snapshotter::Snapshotter(OpenReader open_reader, log::SnapshotStore& snapshots,
                         const core::Limits& limits, const Clock& clock, const SnapshotRules& rules,
                         LogIndex newest)
    : open_reader_(std::move(open_reader)),
      snapshots_(snapshots),
      limits_(limits),
      clock_(clock),
      rules_(rules) {
  stats_.newest = newest;
}

void Snapshotter::run(const std::function<LogIndex()>& applied) {
  Time not_before = clock_.monotonic();
  while (!stopping_) {
    const std::uint64_t behind = applied().value - stats().newest.value;
    if (behind < rules_.commands_between_min || clock_.monotonic() < not_before) {
      wake_.wait_for(kLookEvery);
      continue;
    }
    const bool taken = take().has_value();
    not_before = clock_.monotonic() + (taken ? rules_.time_between_min : rules_.retry);
  }
}

void Snapshotter::stop() {
  stopping_ = true;
  wake_.raise();
}

Status Snapshotter::take() {
  const Time began = clock_.monotonic();
  const Result<log::SnapshotInfo> made = make();
  const std::lock_guard lock(mutex_);
  if (!made) {
    if (made.error().code != ErrorCode::kClosed) stats_.last_error = made.error().message;
    return tl::unexpected(made.error());
  }
  stats_.newest = made->index;
  ++stats_.taken;
  stats_.last_took = clock_.monotonic() - began;
  stats_.last_bytes = made->bytes;
  stats_.last_error.clear();
  return {};
}

Result<log::SnapshotInfo> Snapshotter::make() {
  FALLOW_ASSIGN(const std::unique_ptr<log::LogReader> reader, open_reader_());
  FALLOW_ASSIGN(const Recovered recovered, recover(*reader, &snapshots_, limits_, {}, &stopping_));
  return save(*recovered.machine, recovered.head, snapshots_, &stopping_);
}

SnapshotStats Snapshotter::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

}  // namespace fallow::engine
