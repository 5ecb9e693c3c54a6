// Calendar months and days (UTC) as people write them: "2026-11". Pure functions, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fallow::server {

// Months since January 1970, as core::month_of() counts; 0 to those of the year 9999.
std::string month_text(std::int32_t month);
// None: it is not of the form YYYY-MM, or of no year from 1970 on.
std::optional<std::int32_t> month_of_text(std::string_view text);

// Days since 1970 as people write them: "2026-11-21"; up to the year 9999.
std::string day_text(std::int32_t day);
// None: it is not of the form YYYY-MM-DD, or no day of a year from 1970 on.
std::optional<std::int32_t> day_of_text(std::string_view text);

}  // namespace fallow::server
