#include "engine/recovery.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "engine/replay.h"

namespace fallow::engine {
namespace {

bool is_set(const std::atomic<bool>* flag) { return flag != nullptr && flag->load(); }

struct Following {
  Subscriber* subscriber;
  LogIndex cursor;
};

Result<std::vector<Following>> cursors_of(std::span<Subscriber* const> subscribers,
                                          LogIndex log_last) {
  std::vector<Following> following;
  for (Subscriber* subscriber : subscribers) {
    const std::optional<LogIndex> cursor = subscriber->cursor();
    if (!cursor) continue;
    if (*cursor > log_last) {
      return fail(ErrorCode::kCorrupt,
                  "{} has seen command {}, but the log ends with command {}: an older log was put "
                  "in place. Remove {} and start again; it is made anew from the log",
                  subscriber->name(), cursor->value, log_last.value, subscriber->name());
    }
    following.push_back(Following{subscriber, *cursor});
  }
  return following;
}

void tell(std::span<const Following> following, const Batch& batch, const core::Machine& machine) {
  for (const Following& one : following) {
    if (one.cursor >= batch.last()) continue;
    Batch rest = batch;
    const LogIndex first = batch.commands.front().index;
    if (one.cursor >= first) {
      rest.commands = rest.commands.subspan(one.cursor.value - first.value + 1);
    }
    one.subscriber->on_batch(rest, machine);
  }
}

// A usable snapshot at or below `at_most`, restored into `recovered`; nothing when there is none.
Status restore_newest(log::LogReader& log, log::SnapshotStore& snapshots,
                      const core::Limits& limits, LogIndex at_most, Recovered& recovered) {
  while (at_most.value > 0) {
    FALLOW_ASSIGN(log::OpenedSnapshot opened, snapshots.open_newest(at_most));
    std::move(opened.skipped.begin(), opened.skipped.end(), std::back_inserter(recovered.notes));
    if (opened.reader == nullptr) return {};
    const log::SnapshotInfo info = opened.reader->info();
    at_most = LogIndex(info.index.value - 1);

    const Result<log::Head> head = log.head_at(info.index);
    if (!head && head.error().code != ErrorCode::kNotFound) return tl::unexpected(head.error());
    if (!head || head->chain != info.chain) {
      recovered.notes.push_back(
          fmt::format("the snapshot at command {} belongs to another log and was passed over",
                      info.index.value));
      continue;
    }
    auto machine = restore(*opened.reader, limits);
    if (!machine) {
      recovered.notes.push_back(fmt::format("the snapshot at command {} was passed over: {}",
                                            info.index.value, machine.error().message));
      continue;
    }
    recovered.machine = std::move(*machine);
    recovered.head = *head;
    recovered.snapshot = info.index;
    return {};
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<core::Machine>> restore(log::SnapshotReader& snapshot,
                                               const core::Limits& limits) {
  auto machine = std::make_unique<core::Machine>(limits);
  FALLOW_TRY(machine->restore([&snapshot](char* into, std::size_t size) {
    return snapshot.read(std::span<char>(into, size));
  }));
  if (machine->last_index() != snapshot.info().index) {
    return fail(ErrorCode::kCorrupt, "it says command {} but holds the market after command {}",
                snapshot.info().index.value, machine->last_index().value);
  }
  return machine;
}

Result<log::SnapshotInfo> save(const core::Machine& machine, const log::Head& at,
                               log::SnapshotStore& snapshots, const std::atomic<bool>* cancel) {
  FALLOW_CHECK(machine.last_index() == at.last, "the machine is at command {}, the snapshot at {}",
               machine.last_index().value, at.last.value);
  FALLOW_ASSIGN(const auto writer, snapshots.begin(at.last, at.chain));
  log::SnapshotInfo info{at.last, at.chain, 0};
  Status written;
  machine.snapshot([&](std::string_view piece) {
    if (!written) return;
    written = is_set(cancel) ? fail(ErrorCode::kClosed, "the snapshot was broken off by a stop")
                             : writer->write(piece);
    info.bytes += piece.size();
  });
  FALLOW_TRY(written);
  FALLOW_TRY(writer->commit());
  return info;
}

Result<Recovered> recover(log::LogReader& log, log::SnapshotStore* snapshots,
                          const core::Limits& limits, std::span<Subscriber* const> subscribers,
                          const std::atomic<bool>* cancel) {
  FALLOW_ASSIGN(const log::Head end, log.head());
  FALLOW_ASSIGN(const std::vector<Following> following, cursors_of(subscribers, end.last));
  LogIndex at_most = end.last;
  for (const Following& one : following) at_most = std::min(at_most, one.cursor);

  Recovered recovered;
  recovered.head = log::genesis_head();
  if (snapshots != nullptr) {
    FALLOW_TRY(restore_newest(log, *snapshots, limits, at_most, recovered));
  }
  if (recovered.machine == nullptr) recovered.machine = std::make_unique<core::Machine>(limits);

  Replay replay(log, *recovered.machine, recovered.head);
  // Not to the log's end but to where it ended: beside a busy market the end is never reached.
  while (replay.head().last < end.last) {
    if (is_set(cancel)) return fail(ErrorCode::kClosed, "the replay was broken off by a stop");
    FALLOW_ASSIGN(const bool more, replay.next());
    if (!more) {
      return fail(ErrorCode::kCorrupt, "the log says it ends with command {} but has none after {}",
                  end.last.value, replay.head().last.value);
    }
    tell(following, replay.batch(), *recovered.machine);
  }
  recovered.head = replay.head();
  recovered.replayed = replay.commands();
  return recovered;
}

}  // namespace fallow::engine
