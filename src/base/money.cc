#include "base/money.h"

#include <cstdint>
#include <limits>

#include "base/check.h"

namespace fallow {
namespace {

constexpr std::int64_t kMicrosPerUnit = 1'000'000;
constexpr std::int64_t kUnitsMax = 9'000'000'000'000 - 1;
constexpr int kDecimalsMax = 6;

Micros saturate(Wide value) {
  constexpr Wide kMax = std::numeric_limits<std::int64_t>::max();
  return Micros(static_cast<std::int64_t>(value > kMax ? kMax : value));
}

// floor(amount * parts / whole), none of them negative. Nearly all products have 64 bits, which the
// processor divides by itself; those of 128 bits take a library many times as long.
Micros portion_of(std::int64_t amount, std::int64_t parts, std::int64_t whole) {
  std::int64_t product = 0;
  if (!__builtin_mul_overflow(amount, parts, &product)) return Micros(product / whole);
  return saturate(Wide{amount} * parts / whole);
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

Result<Micros> parse_money(std::string_view text) {
  std::string_view rest = text;
  const bool negative = !rest.empty() && rest.front() == '-';
  if (negative) rest.remove_prefix(1);
  std::int64_t units = 0;
  std::size_t digits = 0;
  while (digits < rest.size() && is_digit(rest[digits])) {
    units = units * 10 + (rest[digits] - '0');
    if (units > kUnitsMax) {
      return fail(ErrorCode::kInvalid, "the amount is too large: at most {} is accepted",
                  kUnitsMax);
    }
    ++digits;
  }
  if (digits == 0) {
    return fail(ErrorCode::kInvalid,
                "an amount is written like 0.42: digits, a point, up to {} decimals", kDecimalsMax);
  }
  rest.remove_prefix(digits);
  std::int64_t micros = 0;
  if (!rest.empty()) {
    if (rest.front() != '.' || rest.size() < 2 || rest.size() > 1 + kDecimalsMax) {
      return fail(ErrorCode::kInvalid,
                  "an amount is written like 0.42: digits, a point, up to {} decimals",
                  kDecimalsMax);
    }
    rest.remove_prefix(1);
    for (int i = 0; i < kDecimalsMax; ++i) {
      const auto at = static_cast<std::size_t>(i);
      if (at < rest.size() && !is_digit(rest[at])) {
        return fail(ErrorCode::kInvalid, "'{}' is not a digit of an amount", rest[at]);
      }
      micros = micros * 10 + (at < rest.size() ? rest[at] - '0' : 0);
    }
  }
  const std::int64_t total = units * kMicrosPerUnit + micros;
  return Micros(negative ? -total : total);
}

std::string format_money(Micros amount) {
  const bool negative = amount.value < 0;
  const auto magnitude = negative ? 0 - static_cast<std::uint64_t>(amount.value)
                                  : static_cast<std::uint64_t>(amount.value);
  std::string text = fmt::format("{}{}.{:06}", negative ? "-" : "", magnitude / kMicrosPerUnit,
                                 magnitude % kMicrosPerUnit);
  std::size_t drop = 0;
  while (drop < 4 && text[text.size() - 1 - drop] == '0') ++drop;
  text.resize(text.size() - drop);
  return text;
}

Micros price_of(Micros rate_per_hour, Duration time) {
  FALLOW_CHECK(rate_per_hour.value >= 0 && time.value >= 0, "a price of {} for {} us is negative",
               rate_per_hour.value, time.value);
  return portion_of(rate_per_hour.value, time.value, kHour.value);
}

Micros price_of_bytes(Micros price_per_gb, std::int64_t bytes) {
  constexpr std::int64_t kBytesPerGb = 1'000'000'000;
  FALLOW_CHECK(price_per_gb.value >= 0 && bytes >= 0, "a price of {} for {} bytes is negative",
               price_per_gb.value, bytes);
  return portion_of(price_per_gb.value, bytes, kBytesPerGb);
}

Micros fraction_of(Micros amount, std::int64_t parts, std::int64_t whole) {
  FALLOW_CHECK(amount.value >= 0 && parts >= 0 && whole > 0, "a fraction {}/{} of {} is negative",
               parts, whole, amount.value);
  return portion_of(amount.value, parts, whole);
}

}  // namespace fallow
