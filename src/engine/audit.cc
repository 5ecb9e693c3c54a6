#include "engine/audit.h"

#include <map>
#include <memory>

#include "engine/recovery.h"
#include "engine/replay.h"

namespace fallow::engine {
namespace {

constexpr std::uint64_t kProgressEntries = 4'096;

// The snapshot at the machine's place holds the very same market, or an error says what differs.
Status compare(const log::SnapshotInfo& listed, const core::Machine& machine, const log::Head& head,
               log::SnapshotStore& snapshots, const core::Limits& limits, Audit& result) {
  FALLOW_ASSIGN(const log::OpenedSnapshot opened, snapshots.open_newest(listed.index));
  if (opened.reader == nullptr || opened.reader->info().index != listed.index) {
    result.notes.push_back(fmt::format("the snapshot at command {} cannot be read{}{}",
                                       listed.index.value, opened.skipped.empty() ? "" : ": ",
                                       opened.skipped.empty() ? "" : opened.skipped.front()));
    return {};
  }
  if (opened.reader->info().chain != head.chain) {
    return fail(ErrorCode::kCorrupt,
                "the snapshot at command {} was made from another log: its chain is {}, the log's "
                "is {}. Remove that snapshot; the log itself is sound so far",
                listed.index.value, to_hex(opened.reader->info().chain), to_hex(head.chain));
  }
  const auto restored = restore(*opened.reader, limits);
  if (!restored) {
    return fail_with(restored.error(),
                     "the snapshot at command {} cannot be restored, remove it; the log itself is "
                     "sound so far",
                     listed.index.value);
  }
  if ((*restored)->digest() != machine.digest()) {
    return fail(ErrorCode::kCorrupt,
                "the snapshot at command {} is not what the log leads to: its digest is {}, the "
                "replay's is {}. Remove that snapshot and report this as a bug; the log itself is "
                "sound so far",
                listed.index.value, to_hex((*restored)->digest()), to_hex(machine.digest()));
  }
  ++result.snapshots_checked;
  return {};
}

}  // namespace

Result<Audit> audit(log::LogReader& log, log::SnapshotStore* snapshots, const core::Limits& limits,
                    const std::function<void(std::uint64_t)>& progress) {
  FALLOW_ASSIGN(const log::Head end, log.head());
  std::map<LogIndex, log::SnapshotInfo> expected;
  if (snapshots != nullptr) {
    FALLOW_ASSIGN(const std::vector<log::SnapshotInfo> infos, snapshots->list());
    for (const log::SnapshotInfo& info : infos) expected[info.index] = info;
  }

  Audit result;
  core::Machine machine(limits);
  Replay replay(log, machine, log::genesis_head());
  while (replay.head().last < end.last) {
    FALLOW_ASSIGN(const bool more, replay.next());
    if (!more) {
      return fail(ErrorCode::kCorrupt, "the log says it ends with command {} but has none after {}",
                  end.last.value, replay.head().last.value);
    }
    if (const auto found = expected.find(replay.head().last); found != expected.end()) {
      FALLOW_TRY(compare(found->second, machine, replay.head(), *snapshots, limits, result));
      expected.erase(found);
    }
    if (progress && replay.entries() % kProgressEntries == 0) progress(replay.commands());
  }
  for (const auto& [index, info] : expected) {
    if (index > end.last) continue;  // made while this audit ran
    return fail(ErrorCode::kCorrupt,
                "the snapshot at command {} belongs to another log: no entry of this log ends "
                "there. Remove that snapshot; the log itself is sound",
                index.value);
  }

  if (!machine.ledger().balanced()) {
    return fail(ErrorCode::kCorrupt, "the ledger does not add up to zero after command {}",
                end.last.value);
  }
  machine.check_invariants();
  result.entries = replay.entries();
  result.commands = replay.commands();
  result.events = replay.events();
  result.bytes = replay.bytes();
  result.head = replay.head();
  result.digest = machine.digest();
  result.ledger_accounts = machine.ledger().size();
  result.counts = machine.counts();
  return result;
}

}  // namespace fallow::engine
