// Money as people write it: decimal strings to Micros and back, and the one price formula.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/types.h"

namespace fallow {

// The whole, in basis points: a hundredth of a percent each.
inline constexpr std::int64_t kBasisPoints = 10'000;

// "10", "0.42", "-1.000001" -> Micros. Refuses more than 6 decimals, signs other than a leading
// '-', exponents, blanks and anything beyond +-9,000,000,000,000 (so that sums cannot overflow).
Result<Micros> parse_money(std::string_view text);

// Micros -> decimal string with at least two and at most six decimals: "0.42", "0.000123".
std::string format_money(Micros amount);

// floor(rate_per_hour * time / 1 hour), computed in 128 bits. rate and time must not be negative.
// The result saturates at the largest Micros.
Micros price_of(Micros rate_per_hour, Duration time);

// floor(price_per_gb * bytes / 10^9), likewise.
Micros price_of_bytes(Micros price_per_gb, std::int64_t bytes);

// floor(amount * parts / whole) in 128 bits; whole > 0. Used for fees in basis points.
Micros fraction_of(Micros amount, std::int64_t parts, std::int64_t whole);

}  // namespace fallow
