// Terms: how much cheaper a device is for who takes it for long. Pure.
//
// An offer has a discount in basis points for each bracket of time: an hour, a day, a week, a
// month of 30 days. A reserved lease pays the device's price less the discount of the bracket that
// its term reaches; shorter than an hour it reaches none.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/types.h"
#include "fallow/v1/types.pb.h"

namespace fallow::core {

// Basis points by bracket, never less in a longer one.
constexpr std::size_t kBrackets = 4;
using Discounts = std::array<std::uint16_t, kBrackets>;
constexpr std::uint16_t kDiscountMax = 5'000;

// The place of the bracket in Discounts, or kNoBracket.
using Bracket = std::uint8_t;
constexpr Bracket kNoBracket = kBrackets;
Bracket bracket_of(Duration time);
// The one that such a task's price is of: none but for a reserved one.
Bracket bracket_of(const v1::Requirements& requirements);

constexpr std::uint16_t discount_in(const Discounts& discounts, Bracket bracket) {
  return bracket < kBrackets ? discounts[bracket] : std::uint16_t{0};
}

// What is left of a price (>= 0), rounded up: a discount is never more than was offered.
Micros discounted_by(Micros price, std::uint16_t basis_points);
inline Micros discounted(Micros price, std::uint16_t basis_points) {
  return basis_points == 0 ? price : discounted_by(price, basis_points);  // nearly always
}

// Of each bracket the larger one.
Discounts largest(const Discounts& a, const Discounts& b);

// Of checked ones: nothing is lost.
Discounts discounts_of(const v1::TermDiscounts& discounts);
v1::TermDiscounts message_of(const Discounts& discounts);
// At most kDiscountMax, and none less than that of a shorter term.
bool are_discounts(const v1::TermDiscounts& discounts);

}  // namespace fallow::core
