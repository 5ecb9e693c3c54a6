#include "server/months.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>

#include "base/number.h"

namespace fallow::server {
namespace {

constexpr std::int32_t kFirstYear = 1'970;
constexpr std::int32_t kMonthsPerYear = 12;

}  // namespace

std::string month_text(std::int32_t month) {
  return fmt::format("{:04}-{:02}", kFirstYear + month / kMonthsPerYear,
                     month % kMonthsPerYear + 1);
}

std::optional<std::int32_t> month_of_text(std::string_view text) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (text.size() != 7 || text[4] != '-' ||
      std::count_if(text.begin(), text.end(), is_digit) != 6) {
    return std::nullopt;
  }
  const auto year = parse_number<std::int32_t>(text.substr(0, 4));
  const auto month = parse_number<std::int32_t>(text.substr(5));
  if (!year || !month || *year < kFirstYear || *month < 1 || *month > kMonthsPerYear) {
    return std::nullopt;
  }
  return (*year - kFirstYear) * kMonthsPerYear + *month - 1;
}

std::string day_text(std::int32_t day) {
  const std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(day))};
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

std::optional<std::int32_t> day_of_text(std::string_view text) {
  if (text.size() != 10 || text[7] != '-') return std::nullopt;
  const auto month = month_of_text(text.substr(0, 7));
  const auto day = parse_number<std::uint32_t>(text.substr(8));
  if (!month || !day) return std::nullopt;
  const std::chrono::year_month_day date{
      std::chrono::year(kFirstYear + *month / kMonthsPerYear),
      std::chrono::month(static_cast<unsigned>(*month % kMonthsPerYear) + 1),
      std::chrono::day(*day)};
  if (!date.ok()) return std::nullopt;
  return static_cast<std::int32_t>(std::chrono::sys_days(date).time_since_epoch().count());
}

}  // namespace fallow::server
