#include "core/archive.h"

#include <algorithm>

namespace fallow::core {
namespace {

constexpr unsigned kBitsPerByte = 7;
constexpr std::uint8_t kMore = 0x80;

}  // namespace

void SnapshotWriter::number(std::uint64_t value) {
  while (value >= kMore) {
    buffer_.push_back(static_cast<char>(static_cast<std::uint8_t>(value) | kMore));
    value >>= kBitsPerByte;
  }
  buffer_.push_back(static_cast<char>(value));
  if (buffer_.size() >= kPieceBytes) flush();
}

void SnapshotWriter::text(std::string_view bytes) {
  number(bytes.size());
  buffer_.append(bytes);
  if (buffer_.size() >= kPieceBytes) flush();
}

void SnapshotWriter::flush() {
  if (buffer_.empty()) return;
  digester_.update(std::string_view(buffer_));
  sink_(buffer_);
  buffer_.clear();
}

Digest SnapshotWriter::finish() {
  flush();
  const Digest digest = digester_.finish();
  sink_({reinterpret_cast<const char*>(digest.data()), digest.size()});
  return digest;
}

void SnapshotReader::fail(std::string_view why) {
  if (!ok_) return;
  ok_ = false;
  error_ = Error{ErrorCode::kCorrupt, std::string(why)};
}

void SnapshotReader::digest_consumed() {
  digester_.update(std::string_view(buffer_.data() + digested_, at_ - digested_));
  digested_ = at_;
}

bool SnapshotReader::fill() {
  if (!ok_) return false;
  digest_consumed();
  const Result<std::size_t> got = source_(buffer_.data(), buffer_.size());
  if (!got) {
    ok_ = false;
    error_ = got.error();
    return false;
  }
  at_ = 0;
  digested_ = 0;
  end_ = std::min(*got, buffer_.size());
  return end_ > 0;
}

void SnapshotReader::raw(char* to, std::size_t bytes) {
  while (bytes > 0) {
    if (at_ == end_ && !fill()) return fail("the snapshot ends too early");
    const std::size_t piece = std::min(bytes, end_ - at_);
    std::copy_n(buffer_.begin() + static_cast<std::ptrdiff_t>(at_), piece, to);
    at_ += piece;
    to += piece;
    bytes -= piece;
  }
}

std::uint8_t SnapshotReader::byte() {
  if (at_ == end_ && !fill()) {
    fail("the snapshot ends too early");
    return 0;
  }
  return static_cast<std::uint8_t>(buffer_[at_++]);
}

std::uint64_t SnapshotReader::number() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && ok_; shift += kBitsPerByte) {
    const std::uint64_t next = byte();
    const std::uint64_t bits = next & (kMore - 1U);
    if (shift == 63 && bits > 1) break;
    value |= bits << shift;
    if ((next & kMore) == 0) return ok_ ? value : 0;
  }
  fail("a number is too long");
  return 0;
}

std::string SnapshotReader::text() {
  const std::uint64_t size = number();
  if (size > kArchiveTextBytesMax) {
    fail("a text is too long");
    return {};
  }
  std::string bytes(ok_ ? size : 0, '\0');
  raw(bytes.data(), bytes.size());
  return ok_ ? bytes : std::string();
}

Status SnapshotReader::finish() {
  digest_consumed();
  const Digest computed = Digester(digester_).finish();
  Digest stored{};
  if (ok_) raw(reinterpret_cast<char*>(stored.data()), stored.size());
  if (ok_ && stored != computed) fail("its digest is not that of its bytes");
  if (ok_ && (at_ < end_ || fill())) fail("something follows its end");
  if (!ok_) {
    return fail_with(error_, "the snapshot cannot be restored; start from an older one or the log");
  }
  return {};
}

}  // namespace fallow::core
