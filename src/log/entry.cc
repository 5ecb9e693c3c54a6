#include "log/entry.h"

#include "log/little_endian.h"

namespace fallow::log {
namespace {

constexpr std::string_view kGenesisDomain = "fallow log v1 genesis";
constexpr std::string_view kEntryDomain = "fallow log v1 entry";
constexpr std::size_t kLengthBytes = 4;

}  // namespace

Digest genesis_chain() { return digest_of(kGenesisDomain); }

Head genesis_head() { return Head{LogIndex(0), Time{0}, genesis_chain()}; }

Digest chain_after(const Digest& before, LogIndex first, Time time, std::uint64_t count,
                   std::string_view body) {
  return Digester()
      .update(kEntryDomain)
      .update(before)
      .update_u64(first.value)
      .update_u64(static_cast<std::uint64_t>(time.us))
      .update_u64(count)
      .update(body)
      .finish();
}

void EncodedBatch::add(std::string_view payload) {
  put_u32(body_, static_cast<std::uint32_t>(payload.size()));
  body_.append(payload);
  ++size_;
}

void EncodedBatch::clear() {
  body_.clear();
  size_ = 0;
}

std::size_t EncodedBatch::payload_bytes() const { return body_.size() - size_ * kLengthBytes; }

// A payload whose length does not fit its four bytes is far beyond the maximum of the body.
Status EncodedBatch::check() const {
  if (size_ == 0) return fail(ErrorCode::kInvalid, "a batch has at least one command");
  if (size_ > kEntryCommandsMax) {
    return fail(ErrorCode::kTooLarge, "a batch of {} commands is beyond the maximum of {}", size_,
                kEntryCommandsMax);
  }
  if (body_.size() > kEntryBytesMax) {
    return fail(ErrorCode::kTooLarge, "a batch of {} bytes is beyond the maximum of {}",
                body_.size(), kEntryBytesMax);
  }
  return {};
}

Result<Entry> Entry::check(const Head& before, StoredEntry stored) {
  const std::uint64_t first = stored.first.value;
  if (first != before.last.value + 1) {
    return fail(ErrorCode::kCorrupt, "the entry at command {} should begin at command {}", first,
                before.last.value + 1);
  }
  if (stored.count == 0 || stored.count > kEntryCommandsMax ||
      stored.body.size() > kEntryBytesMax) {
    return fail(ErrorCode::kCorrupt,
                "the entry at command {} says it has {} commands in {} bytes, which no entry has",
                first, stored.count, stored.body.size());
  }
  const std::uint64_t last = first + stored.count - 1;
  const Digest chain =
      chain_after(before.chain, stored.first, stored.time, stored.count, stored.body);
  if (chain != stored.chain) {
    return fail(ErrorCode::kCorrupt,
                "the entry of commands {} to {} was altered or torn: its chain digest is {} and "
                "its bytes give {}",
                first, last, to_hex(stored.chain), to_hex(chain));
  }
  if (stored.time < before.time) {
    return fail(ErrorCode::kCorrupt,
                "the entry of commands {} to {} has time {} us, before its predecessor's {} us",
                first, last, stored.time.us, before.time.us);
  }

  Entry entry;
  entry.ends_.reserve(stored.count);
  std::size_t at = 0;
  for (std::uint64_t i = 0; i < stored.count; ++i) {
    const std::size_t left = stored.body.size() - at;
    if (left < kLengthBytes || left - kLengthBytes < get_u32(stored.body, at)) {
      return fail(ErrorCode::kCorrupt, "the entry of commands {} to {} ends within command {}",
                  first, last, first + i);
    }
    at += kLengthBytes + get_u32(stored.body, at);
    entry.ends_.push_back(static_cast<std::uint32_t>(at));
  }
  if (at != stored.body.size()) {
    return fail(ErrorCode::kCorrupt, "the entry of commands {} to {} has {} bytes too many", first,
                last, stored.body.size() - at);
  }
  entry.first_ = stored.first;
  entry.time_ = stored.time;
  entry.chain_ = stored.chain;
  entry.body_ = std::move(stored.body);
  return entry;
}

std::string_view Entry::payload(std::size_t i) const {
  const std::size_t begin = (i == 0 ? 0 : ends_[i - 1]) + kLengthBytes;
  return std::string_view(body_).substr(begin, ends_[i] - begin);
}

}  // namespace fallow::log
