// Entry: one batch of commands as the log stores it, and the chain that binds entries together.
//
// Everything that stores or checks a log (MemoryLog, SqliteLog, the simulator's disk) uses these,
// so that the same commands give the same bytes and the same digests everywhere. Values and pure
// functions. docs/formats/log.md has a worked example.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <ranges>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "base/types.h"

namespace fallow::log {

// Maxima of one entry; a log takes no more.
inline constexpr std::size_t kEntryCommandsMax = 65'536;
inline constexpr std::size_t kEntryBytesMax = std::size_t{64} << 20;  // of the body

// Where a log stands after some entry. Without entries: last = 0, time = 0, chain =
// genesis_chain().
struct Head {
  LogIndex last;
  Time time;
  Digest chain{};

  bool operator==(const Head&) const = default;
};

// The digest before the first entry.
Digest genesis_chain();
Head genesis_head();

// The digest after an entry of `count` commands that follows one with digest `before`.
Digest chain_after(const Digest& before, LogIndex first, Time time, std::uint64_t count,
                   std::string_view body);

// A batch in its stored form: each command as its length (4 bytes, little-endian) and its bytes.
// A value, filled as commands come, so that their bytes are written once.
class EncodedBatch {
 public:
  EncodedBatch() = default;
  // Of a range of payloads.
  template <std::ranges::input_range Payloads>
  requires std::convertible_to<std::ranges::range_reference_t<Payloads>, std::string_view>
  EncodedBatch(const Payloads& payloads) {
    for (const std::string_view payload : payloads) add(payload);
  }

  void add(std::string_view payload);
  // Empty again; keeps its memory.
  void clear();

  std::size_t size() const { return size_; }  // commands
  std::size_t payload_bytes() const;          // of all of them, without their lengths
  const std::string& body() const { return body_; }

  // Whether it is an entry: kInvalid when it is empty, kTooLarge beyond the maxima.
  Status check() const;

 private:
  std::string body_;
  std::size_t size_ = 0;
};

// What a store keeps of an entry, not yet believed.
struct StoredEntry {
  LogIndex first;
  std::uint64_t count = 0;
  Time time;
  Digest chain{};
  std::string body;
};

// One entry that was checked; it owns its bytes. A value.
class Entry {
 public:
  // Believes `stored` if it follows `before`: index, time, chain and form. kCorrupt otherwise, with
  // a sentence that names the entry and what differs, for the caller to add what to do.
  static Result<Entry> check(const Head& before, StoredEntry stored);

  std::size_t size() const { return ends_.size(); }
  LogIndex first() const { return first_; }
  LogIndex last() const { return index(ends_.size() - 1); }
  LogIndex index(std::size_t i) const { return LogIndex(first_.value + i); }
  // Of all its commands.
  Time time() const { return time_; }
  // The i-th command's bytes, i < size(). Valid until this entry is moved or destroyed.
  std::string_view payload(std::size_t i) const;
  // The log's digest after this entry.
  const Digest& chain() const { return chain_; }
  Head head() const { return Head{last(), time_, chain_}; }
  // The stored form, as EncodedBatch made it.
  const std::string& body() const { return body_; }

 private:
  Entry() = default;

  LogIndex first_;
  Time time_;
  Digest chain_{};
  std::string body_;
  std::vector<std::uint32_t> ends_;  // one past each payload's last byte within body_
};

}  // namespace fallow::log
