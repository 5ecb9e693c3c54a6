#include "cli/energy_floor.h"

#include <algorithm>

namespace fallow::cli {
namespace {

std::int64_t largest_discount(const v1::TermDiscounts& discounts) {
  return std::max({discounts.hour_basis_points(), discounts.day_basis_points(),
                   discounts.week_basis_points(), discounts.month_basis_points()});
}

// The least that is more than `amount` when so much of it is taken off; 0 < left.
Micros more_than(Micros amount, std::int64_t left_basis_points) {
  return fraction_of(amount, kBasisPoints, left_basis_points) + Micros(1);
}

// Of a floor as it is written; empty: there is none.
Result<std::string> raised(const std::string& floor, Micros least) {
  if (floor.empty()) return format_money(least);
  FALLOW_ASSIGN(const Micros given, parse_money(floor));
  return format_money(std::max(given, least));
}

}  // namespace

Result<Micros> electricity_per_hour(const std::string& kwh_price, std::uint32_t watts) {
  FALLOW_ASSIGN(const Micros kwh, parse_money(kwh_price));
  if (kwh.value < 0) return fail(ErrorCode::kInvalid, "--kwh-price is not below 0");
  return fraction_of(kwh, watts, 1'000);
}

Status pay_electricity(Micros electricity, std::uint32_t fee_basis_points,
                       v1::SetOfferRequest& terms) {
  const std::int64_t kept = kBasisPoints - fee_basis_points;
  const std::int64_t discount = largest_discount(terms.discounts());
  if (kept <= 0 || discount >= kBasisPoints) {
    return fail(ErrorCode::kInvalid,
                "nothing is left to pay for the electricity: the market's fee or a discount takes "
                "all");
  }
  const Micros least = more_than(electricity, kept);
  const Micros undiscounted = discount == 0 ? least : more_than(least, kBasisPoints - discount);
  const bool follows = !terms.price_ceiling_per_hour().empty();
  const std::string& most = follows ? terms.price_ceiling_per_hour() : terms.price_per_hour();
  if (most.empty()) return {};  // which the market refuses
  FALLOW_ASSIGN(const Micros price, parse_money(most));
  if (price < undiscounted) {
    return fail(ErrorCode::kInvalid,
                "{} {} does not pay for the electricity, {} per device and hour, behind the "
                "market's fee{}: ask for {} at least",
                follows ? "a ceiling of" : "a price of", most, format_money(electricity),
                discount == 0 ? "" : " and the largest discount", format_money(undiscounted));
  }
  if (follows) {
    FALLOW_ASSIGN(*terms.mutable_price_floor_per_hour(),
                  raised(terms.price_floor_per_hour(), undiscounted));
  }
  if (!terms.spot_floor_per_hour().empty()) {
    FALLOW_ASSIGN(*terms.mutable_spot_floor_per_hour(), raised(terms.spot_floor_per_hour(), least));
  }
  return {};
}

}  // namespace fallow::cli
