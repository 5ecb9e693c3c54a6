#include "core/term.h"

#include <algorithm>

#include "base/check.h"
#include "base/money.h"

namespace fallow::core {
namespace {

constexpr std::array<Duration, kBrackets> kLengths = {hours(1), hours(24), hours(7 * 24),
                                                      hours(30 * 24)};

}  // namespace

Bracket bracket_of(Duration time) {
  const auto reached = std::find_if(kLengths.rbegin(), kLengths.rend(),
                                    [&](Duration length) { return time >= length; });
  if (reached == kLengths.rend()) return kNoBracket;
  return static_cast<Bracket>(kLengths.rend() - reached - 1);
}

Bracket bracket_of(const v1::Requirements& requirements) {
  if (requirements.tier() != v1::RESERVED) return kNoBracket;
  return bracket_of(Duration(requirements.duration_us()));
}

Micros discounted_by(Micros price, std::uint16_t basis_points) {
  FALLOW_CHECK(price.value >= 0 && basis_points <= kBasisPoints, "{} less {} basis points",
               price.value, basis_points);
  const Wide left = Wide{price.value} * (kBasisPoints - basis_points);
  return Micros(static_cast<std::int64_t>((left + kBasisPoints - 1) / kBasisPoints));
}

Discounts largest(const Discounts& a, const Discounts& b) {
  Discounts larger{};
  for (std::size_t i = 0; i < kBrackets; ++i) larger[i] = std::max(a[i], b[i]);
  return larger;
}

Discounts discounts_of(const v1::TermDiscounts& discounts) {
  FALLOW_CHECK(are_discounts(discounts), "discounts that were not checked");
  return {static_cast<std::uint16_t>(discounts.hour_basis_points()),
          static_cast<std::uint16_t>(discounts.day_basis_points()),
          static_cast<std::uint16_t>(discounts.week_basis_points()),
          static_cast<std::uint16_t>(discounts.month_basis_points())};
}

v1::TermDiscounts message_of(const Discounts& discounts) {
  v1::TermDiscounts message;
  message.set_hour_basis_points(discounts[0]);
  message.set_day_basis_points(discounts[1]);
  message.set_week_basis_points(discounts[2]);
  message.set_month_basis_points(discounts[3]);
  return message;
}

bool are_discounts(const v1::TermDiscounts& discounts) {
  return discounts.hour_basis_points() <= discounts.day_basis_points() &&
         discounts.day_basis_points() <= discounts.week_basis_points() &&
         discounts.week_basis_points() <= discounts.month_basis_points() &&
         discounts.month_basis_points() <= kDiscountMax;
}

}  // namespace fallow::core
