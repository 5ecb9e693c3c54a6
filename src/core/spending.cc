#include "core/spending.h"

#include <algorithm>
#include <limits>

namespace fallow::core {
namespace {

constexpr std::int64_t kDayUs = hours(24).value;

std::int32_t day_of(Time now) { return static_cast<std::int32_t>(now.us / kDayUs); }

Micros clamped(Wide amount) {
  constexpr Wide kMost = std::numeric_limits<std::int64_t>::max();
  return Micros(static_cast<std::int64_t>(std::clamp<Wide>(amount, -kMost, kMost)));
}

}  // namespace

void spend(Account& account, Time now, Micros amount) {
  const std::int32_t today = day_of(now);
  std::erase_if(account.spent,
                [&](const SpentDay& spent) { return spent.day <= today - kSpendingDays; });
  if (amount.value == 0) return;
  if (account.spent.empty() || account.spent.back().day != today) {
    account.spent.push_back({today, Micros(0)});
  }
  Micros& sum = account.spent.back().amount;
  sum = clamped(Wide{sum.value} + amount.value);
}

Micros spent_lately(const Account& account, Time now) {
  Wide sum = 0;
  for (const SpentDay& spent : account.spent) {
    if (spent.day > day_of(now) - kSpendingDays) sum += spent.amount.value;
  }
  return std::max(clamped(sum), Micros(0));
}

std::uint32_t volume_basis_points(const v1::Policy& policy, Micros spent) {
  std::uint32_t reached = 0;
  for (const v1::VolumeDiscount& step : policy.volume_discounts()) {
    if (spent.value >= step.spent_micros_min()) reached = step.fee_basis_points();
  }
  return reached;
}

}  // namespace fallow::core
