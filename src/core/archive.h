// Snapshot bytes: little pieces of known order, written and read by the same list of fields.
//
// Values on the stack of snapshot() and restore(). Integers are LEB128 (signed ones zigzag), texts
// and messages a length and their bytes, lists a count and their elements. A reader never trusts:
// after the first wrong byte it stays failed, gives zeros, and says what was wrong.
#pragma once

#include <google/protobuf/message_lite.h>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "base/types.h"

namespace fallow::core {

// Of one text or message: a workload is the largest, and far below it.
constexpr std::size_t kArchiveTextBytesMax = std::size_t{4} << 20;

template <class T>
concept Enumeration = std::is_enum_v<T>;
template <class T>
concept Message = std::derived_from<T, google::protobuf::MessageLite>;

class SnapshotWriter {
 public:
  static constexpr bool kReading = false;
  using Sink = std::function<void(std::string_view)>;

  explicit SnapshotWriter(const Sink& sink) : sink_(sink) { buffer_.reserve(kPieceBytes); }

  template <class... T>
  void operator()(const T&... values) {
    (put(values), ...);
  }
  // Hands the rest out, then the digest of everything, which ends the snapshot.
  Digest finish();

 private:
  static constexpr std::size_t kPieceBytes = std::size_t{64} << 10;

  void number(std::uint64_t value);
  void text(std::string_view bytes);
  void flush();

  template <std::unsigned_integral T>
  void put(T value) {
    number(value);
  }
  template <std::signed_integral T>
  void put(T value) {
    const auto wide = static_cast<std::int64_t>(value);
    number(static_cast<std::uint64_t>(wide) << 1U ^ static_cast<std::uint64_t>(wide >> 63));
  }
  template <Enumeration T>
  void put(T value) {
    number(static_cast<std::uint64_t>(value));
  }
  template <class Tag, class Rep>
  void put(Named<Tag, Rep> value) {
    put(value.value);
  }
  void put(Time value) { put(value.us); }
  void put(const std::string& value) { text(value); }
  template <std::size_t N>
  void put(const std::array<std::uint8_t, N>& value) {
    text({reinterpret_cast<const char*>(value.data()), N});
  }
  template <Message T>
  void put(const T& value) {
    scratch_.clear();
    value.AppendToString(&scratch_);
    text(scratch_);
  }
  template <class T>
  void put(const std::vector<T>& values) {
    number(values.size());
    for (const T& value : values) put(value);
  }

  const Sink& sink_;
  std::string buffer_;
  std::string scratch_;
  Digester digester_;
};

class SnapshotReader {
 public:
  static constexpr bool kReading = true;
  using Source = std::function<Result<std::size_t>(char*, std::size_t)>;

  explicit SnapshotReader(const Source& source) : source_(source), buffer_(kPieceBytes) {}

  template <class... T>
  void operator()(T&... values) {
    (get(values), ...);
  }
  template <class T>
  T value() {
    T result{};
    get(result);
    return result;
  }
  bool ok() const { return ok_; }
  // The first reason counts.
  void fail(std::string_view why);
  // The digest follows and is right, and then nothing: or what was wrong first.
  Status finish();

 private:
  static constexpr std::size_t kPieceBytes = std::size_t{64} << 10;

  bool fill();
  void digest_consumed();
  std::uint8_t byte();
  std::uint64_t number();
  std::string text();
  void raw(char* to, std::size_t bytes);

  template <std::unsigned_integral T>
  void get(T& value) {
    const std::uint64_t wide = number();
    value = static_cast<T>(wide);
    if (static_cast<std::uint64_t>(value) != wide) fail("a number is out of range");
  }
  template <std::signed_integral T>
  void get(T& value) {
    const std::uint64_t zigzag = number();
    const auto wide = static_cast<std::int64_t>(zigzag >> 1U ^ (0 - (zigzag & 1U)));
    value = static_cast<T>(wide);
    if (static_cast<std::int64_t>(value) != wide) fail("a number is out of range");
  }
  // Only the schema's enumerations are stored, whose numbers are all below this; the validity of
  // each is checked with its thing.
  template <Enumeration T>
  void get(T& value) {
    constexpr std::uint64_t kNumbersMax = 1'024;
    const std::uint64_t wide = number();
    if (wide >= kNumbersMax) return fail("an enumeration is out of range");
    value = static_cast<T>(wide);
  }
  template <class Tag, class Rep>
  void get(Named<Tag, Rep>& value) {
    get(value.value);
  }
  void get(Time& value) { get(value.us); }
  void get(std::string& value) { value = text(); }
  template <std::size_t N>
  void get(std::array<std::uint8_t, N>& value) {
    const std::string bytes = text();
    if (bytes.size() != N) return fail("a hash has the wrong length");
    std::copy(bytes.begin(), bytes.end(), value.begin());
  }
  template <Message T>
  void get(T& value) {
    if (!value.ParseFromString(text())) fail("a message cannot be read");
  }
  template <class T>
  void get(std::vector<T>& values) {
    values.clear();
    for (std::uint64_t left = number(); left > 0 && ok_; --left) get(values.emplace_back());
  }

  const Source& source_;
  std::vector<char> buffer_;
  std::size_t at_ = 0;
  std::size_t end_ = 0;
  std::size_t digested_ = 0;  // of the buffer
  bool ok_ = true;
  Error error_;
  Digester digester_;
};

}  // namespace fallow::core
