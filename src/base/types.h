// Named types for the quantities the whole of Fallow speaks of: money, time, places in the log.
//
// A Named wraps one integer so that micros are never added to microseconds. It is a value: no
// owner, no thread, no lifetime.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace fallow {

// Products and sums that 64 bits cannot hold.
__extension__ using Wide = __int128;
__extension__ using UnsignedWide = unsigned __int128;

// An integer with a name. Subtraction, addition and comparison stay within the name.
template <class Tag, class Rep = std::int64_t>
struct Named {
  using rep = Rep;
  Rep value{};

  constexpr Named() = default;
  constexpr explicit Named(Rep v) : value(v) {}

  constexpr auto operator<=>(const Named&) const = default;
  constexpr Named operator+(Named other) const { return Named(value + other.value); }
  constexpr Named operator-(Named other) const { return Named(value - other.value); }
  constexpr Named operator-() const { return Named(-value); }
  constexpr Named& operator+=(Named other) {
    value += other.value;
    return *this;
  }
  constexpr Named& operator-=(Named other) {
    value -= other.value;
    return *this;
  }
  constexpr explicit operator bool() const { return value != Rep{}; }
};

// Money: 10^-6 of the settlement currency. Products with time use 128-bit intermediates.
using Micros = Named<struct MicrosTag>;

// A span of time in microseconds.
using Duration = Named<struct DurationTag>;

// A moment: microseconds since the Unix epoch, UTC.
struct Time {
  std::int64_t us = 0;

  constexpr auto operator<=>(const Time&) const = default;
  constexpr Time operator+(Duration d) const { return Time{us + d.value}; }
  constexpr Time operator-(Duration d) const { return Time{us - d.value}; }
  constexpr Duration operator-(Time other) const { return Duration(us - other.us); }
};

constexpr Duration microseconds(std::int64_t n) { return Duration(n); }
constexpr Duration milliseconds(std::int64_t n) { return Duration(n * 1'000); }
constexpr Duration seconds(std::int64_t n) { return Duration(n * 1'000'000); }
constexpr Duration minutes(std::int64_t n) { return seconds(n * 60); }
constexpr Duration hours(std::int64_t n) { return seconds(n * 3'600); }
constexpr Duration kHour = hours(1);

// The position of a command in the log; the first is 1, 0 means none.
using LogIndex = Named<struct LogIndexTag, std::uint64_t>;

// Identities derive from the log: index of the creating command * 2^12 + its ordinal in it, so a
// replay names everything the same. 0 means none. Written in decimal.
using AccountId = Named<struct AccountIdTag, std::uint64_t>;
using NodeId = Named<struct NodeIdTag, std::uint64_t>;
using OfferId = Named<struct OfferIdTag, std::uint64_t>;
using OrderId = Named<struct OrderIdTag, std::uint64_t>;
using LeaseId = Named<struct LeaseIdTag, std::uint64_t>;
using ProofId = Named<struct ProofIdTag, std::uint64_t>;

// For hash maps used as point look-ups. Integers are mixed because ids share their low bits.
struct NamedHash {
  template <class Tag, class Rep>
  std::size_t operator()(Named<Tag, Rep> id) const {
    return mix(static_cast<std::uint64_t>(id.value));
  }
  std::size_t operator()(std::uint64_t x) const { return mix(x); }

 private:
  static std::size_t mix(std::uint64_t x) {
    x ^= x >> 32;
    x *= 0x9E3779B97F4A7C15ULL;
    x ^= x >> 29;
    return static_cast<std::size_t>(x);
  }
};

}  // namespace fallow
