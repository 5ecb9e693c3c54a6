#include "server/wide_money.h"

#include <fmt/core.h>

#include <cstdint>
#include <limits>

#include "base/money.h"
#include "server/month_sums.h"

namespace fallow::server {

std::string wide_money(Wide micros) {
  constexpr Wide kPlain = std::numeric_limits<std::int64_t>::max();
  if (micros <= kPlain && micros >= -kPlain) {
    return format_money(Micros(static_cast<std::int64_t>(micros)));
  }
  const auto behind_point = static_cast<std::int64_t>(micros % kMicrosPerUnit);
  const std::string rest = format_money(Micros(behind_point < 0 ? -behind_point : behind_point));
  return fmt::format("{}{}", micros / kMicrosPerUnit, rest.substr(1));
}

}  // namespace fallow::server
