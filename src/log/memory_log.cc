#include "log/memory_log.h"

#include <algorithm>

#include "base/check.h"

namespace fallow::log {

std::size_t MemoryLog::position_of(LogIndex index) const {
  const auto found = std::partition_point(
      entries_.begin(), entries_.end(),
      [index](const StoredEntry& e) { return e.first.value + e.count <= index.value; });
  return static_cast<std::size_t>(found - entries_.begin());
}

Head MemoryLog::head_before(std::size_t position) const {
  if (position == 0) return genesis_head();
  const StoredEntry& before = entries_[position - 1];
  return Head{LogIndex(before.first.value + before.count - 1), before.time, before.chain};
}

Result<Head> MemoryLog::head_at(LogIndex last) {
  if (last == head_.last) return head_;
  const Head head = head_before(position_of(last + LogIndex(1)));
  if (head.last != last) {
    return fail(ErrorCode::kNotFound, "no entry of the log ends with command {}", last.value);
  }
  return head;
}

Result<std::vector<Entry>> MemoryLog::read(LogIndex from, std::size_t bytes_max) {
  FALLOW_CHECK(from.value > 0, "commands are numbered from 1");
  std::vector<Entry> entries;
  std::size_t bytes = 0;
  for (std::size_t i = position_of(from); i < entries_.size(); ++i) {
    FALLOW_ASSIGN(Entry entry, Entry::check(head_before(i), entries_[i]));
    bytes += entry.body().size();
    entries.push_back(std::move(entry));
    if (bytes >= bytes_max) break;
  }
  return entries;
}

Result<Appended> MemoryLog::append(const EncodedBatch& batch, Time now) {
  FALLOW_TRY(batch.check());
  StoredEntry entry;
  entry.first = head_.last + LogIndex(1);
  entry.count = batch.size();
  entry.time = std::max(now, head_.time);
  entry.chain = chain_after(head_.chain, entry.first, entry.time, entry.count, batch.body());
  entry.body = batch.body();
  head_ = Head{LogIndex(head_.last.value + entry.count), entry.time, entry.chain};
  const Appended appended{entry.first, head_.last, head_.time, head_.chain};
  entries_.push_back(std::move(entry));
  return appended;
}

}  // namespace fallow::log
