// SetForecast: how much of a class is expected to be in use soon.
#include <algorithm>

#include "core/authority.h"
#include "core/handlers.h"

namespace fallow::core {
namespace {

bool can_be(const v1::ClassForecast& told, Time now) {
  return told.use_basis_points() <= kExpectedUseMax && told.until_us() > 0 &&
         told.until_us() <= (now + kForecastAheadMax).us;
}

}  // namespace

void handle(Step& step, const v1::SetForecast& command) {
  MarketState& state = step.state;
  if (!require_operator(step)) return;
  const auto classes = static_cast<std::size_t>(command.classes_size());
  if (classes > state.limits.forecasts_per_command_max) {
    return step.refuse(v1::LIMIT_REACHED, "classes", "{} classes at once: at most {} are accepted",
                       classes, state.limits.forecasts_per_command_max);
  }
  for (const v1::ClassForecast& told : command.classes()) {
    if (can_be(told, step.now)) continue;
    return step.refuse(v1::VALUE_INVALID, "classes",
                       "of {} in \"{}\": expected use is at most {} basis points, and counts until "
                       "a moment that is no more than {} hours ahead",
                       told.model(), told.region(), kExpectedUseMax,
                       kForecastAheadMax.value / kHour.value);
  }
  std::uint32_t count = 0;
  for (const v1::ClassForecast& told : command.classes()) {
    PriceIndex* const index = state.indexes.find({told.model(), told.region()});
    if (index == nullptr) continue;  // its last node went meanwhile
    index->expected_use_basis_points = told.use_basis_points();
    index->expected_until = Time{told.until_us()};
    state.scoring.expected_until = std::max(state.scoring.expected_until, index->expected_until);
    ++count;
  }
  step.tell().mutable_forecast_set()->set_classes(count);
}

}  // namespace fallow::core
