#include "server/months.h"

#include <fmt/core.h>

#include <algorithm>

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

}  // namespace fallow::server
