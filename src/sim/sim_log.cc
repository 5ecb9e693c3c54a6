#include "sim/sim_log.h"

#include <algorithm>
#include <cstring>

namespace fallow::sim {
namespace {

// first, count, time, chain; then the body up to the end of the bytes.
constexpr std::size_t kHeadBytes = 8 + 8 + 8 + 32;

void put(std::string& bytes, std::uint64_t value) {
  for (unsigned i = 0; i < 8; ++i) bytes.push_back(static_cast<char>((value >> (8 * i)) & 0xFF));
}

std::uint64_t take(std::string_view bytes, std::size_t at) {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < 8; ++i) {
    value |= std::uint64_t{static_cast<std::uint8_t>(bytes[at + i])} << (8 * i);
  }
  return value;
}

}  // namespace

std::string encode_stored(const log::StoredEntry& entry) {
  std::string bytes;
  put(bytes, entry.first.value);
  put(bytes, entry.count);
  put(bytes, static_cast<std::uint64_t>(entry.time.us));
  bytes += to_bytes(entry.chain);
  bytes += entry.body;
  return bytes;
}

Result<log::StoredEntry> decode_stored(std::string_view bytes) {
  if (bytes.size() < kHeadBytes) return fail(ErrorCode::kCorrupt, "the entry's head is torn");
  log::StoredEntry entry;
  entry.first = LogIndex(take(bytes, 0));
  entry.count = take(bytes, 8);
  entry.time = Time{static_cast<std::int64_t>(take(bytes, 16))};
  std::memcpy(entry.chain.data(), bytes.data() + 24, entry.chain.size());
  entry.body = bytes.substr(kHeadBytes);
  return entry;
}

std::size_t SimLog::position_of(LogIndex index) const {
  const auto found = std::partition_point(entries_.begin(), entries_.end(),
                                          [index](const log::StoredEntry& entry) {
                                            return entry.first.value + entry.count <= index.value;
                                          });
  return static_cast<std::size_t>(found - entries_.begin());
}

log::Head SimLog::head_before(std::size_t position) const {
  if (position == 0) return log::genesis_head();
  const log::StoredEntry& before = entries_[position - 1];
  return log::Head{LogIndex(before.first.value + before.count - 1), before.time, before.chain};
}

Result<log::Head> SimLog::head_at(LogIndex last) {
  const log::Head head = head_before(position_of(last + LogIndex(1)));
  if (head.last != last) {
    return fail(ErrorCode::kNotFound, "no entry ends with command {}", last.value);
  }
  return head;
}

Result<std::vector<log::Entry>> SimLog::read(LogIndex from, std::size_t bytes_max) {
  std::vector<log::Entry> entries;
  std::size_t bytes = 0;
  for (std::size_t i = position_of(from); i < entries_.size(); ++i) {
    FALLOW_ASSIGN(log::Entry entry, log::Entry::check(head_before(i), entries_[i]));
    bytes += entry.body().size();
    entries.push_back(std::move(entry));
    if (bytes >= bytes_max) break;
  }
  return entries;
}

Result<log::Appended> SimLog::append(const log::EncodedBatch& batch, Time now) {
  if (full_) {
    world_.reach(Mark::kDiskFull);
    return fail(ErrorCode::kBusy, "the simulated disk is full: make room");
  }
  FALLOW_TRY(batch.check());
  log::StoredEntry entry;
  entry.first = head_.last + LogIndex(1);
  entry.count = batch.size();
  entry.time = std::max(now, head_.time);
  entry.chain = log::chain_after(head_.chain, entry.first, entry.time, entry.count, batch.body());
  entry.body = batch.body();
  const LogIndex first = entry.first;
  entries_.push_back(std::move(entry));
  head_ = head_before(entries_.size());
  in_flight_ = true;
  return log::Appended{first, head_.last, head_.time, head_.chain};
}

void SimLog::crash() {
  if (!std::exchange(in_flight_, false)) return;
  std::string bytes = encode_stored(entries_.back());
  entries_.pop_back();
  head_ = head_before(entries_.size());
  switch (world_.random().below(3)) {
    case 0:
      world_.reach(Mark::kUnansweredLost);
      return;
    case 1:
      // A part of it is on the disk, and behind it what lay there before.
      if (world_.one_in(2)) {
        bytes.resize(world_.random().below(bytes.size()));
      } else {
        bytes[world_.random().below(bytes.size())] ^= static_cast<char>(0x40);
      }
      break;
    default:
      break;
  }
  auto stored = decode_stored(bytes);
  if (stored && log::Entry::check(head_, *stored)) {
    world_.reach(Mark::kUnansweredKept);
    entries_.push_back(*std::move(stored));
    head_ = head_before(entries_.size());
  } else {
    world_.reach(Mark::kTornWriteDropped);
  }
}

}  // namespace fallow::sim
