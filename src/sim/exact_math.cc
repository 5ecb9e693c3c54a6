#include "sim/exact_math.h"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace fallow::sim {
namespace {

// ln 2 in two parts; the first has trailing zeros, so that its small multiples are exact.
constexpr double kLn2High = 0x1.62e42fee00000p-1;
constexpr double kLn2Low = 0x1.a39ef35793c76p-33;

constexpr int kExpTerms = 14;
constexpr std::array<double, kExpTerms> kInverseFactorials = [] {
  std::array<double, kExpTerms> inverses{};
  double factorial = 1;
  for (int n = 0; n < kExpTerms; ++n) {
    if (n > 0) factorial *= n;
    inverses[static_cast<std::size_t>(n)] = 1 / factorial;
  }
  return inverses;
}();

double power_of_two(std::int64_t exponent) {
  return std::bit_cast<double>(static_cast<std::uint64_t>(exponent + 1023) << 52);
}

}  // namespace

double exact_exp(double x) {
  if (x < -700) return 0;
  if (x > 700) x = 700;
  // x = k ln 2 + r with |r| <= ln 2 / 2, and e^r by its series, whose next term is below 2^-57.
  constexpr double kInverseLn2 = 0x1.71547652b82fep+0;
  const double scaled = x * kInverseLn2;
  const auto k = static_cast<std::int64_t>(scaled + (scaled < 0 ? -0.5 : 0.5));
  const auto whole = static_cast<double>(k);
  const double r = (x - whole * kLn2High) - whole * kLn2Low;
  double sum = 0;
  for (std::size_t n = kExpTerms; n-- > 0;) sum = kInverseFactorials[n] + sum * r;
  return sum * power_of_two(k);
}

double exact_log(double x) {
  // x = m 2^k with m in [sqrt(1/2), sqrt(2)), and ln m = 2 artanh((m - 1) / (m + 1)).
  const auto bits = std::bit_cast<std::uint64_t>(x);
  auto k = static_cast<std::int64_t>(bits >> 52) - 1023;
  double m = std::bit_cast<double>((bits & 0x000F'FFFF'FFFF'FFFF) | 0x3FF0'0000'0000'0000);
  if (m > 0x1.6a09e667f3bcdp+0) {
    m /= 2;
    ++k;
  }
  const double s = (m - 1) / (m + 1);
  const double square = s * s;
  double sum = 0;
  for (int n = 23; n > 0; n -= 2) sum = 1.0 / n + sum * square;
  const auto whole = static_cast<double>(k);
  return whole * kLn2High + (2 * s * sum + whole * kLn2Low);
}

}  // namespace fallow::sim
