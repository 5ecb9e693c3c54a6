#include "core/calendar.h"

namespace fallow::core {

std::int32_t month_of(Time at) {
  // Counted from 1 March 0000, so that the leap day ends a year: a month then starts at
  // floor((153 * month + 2) / 5) days, and eras of 400 years all have the same length.
  constexpr std::int64_t kDayUs = hours(24).value;
  constexpr std::int64_t kDaysPerEra = 146'097;
  constexpr std::int64_t kDaysFromMarchZero = 719'468;
  const std::int64_t days = at.us / kDayUs + kDaysFromMarchZero;
  const std::int64_t era = days / kDaysPerEra;
  const std::int64_t day_of_era = days % kDaysPerEra;
  const std::int64_t year_of_era =
      (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const std::int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t month_from_march = (5 * day_of_year + 2) / 153;
  // March is month 2 of its own year; January and February belong to the next.
  const std::int64_t months = (era * 400 + year_of_era) * 12 + month_from_march + 2;
  return static_cast<std::int32_t>(months - 1'970 * 12);
}

}  // namespace fallow::core
