#include "server/class_forecast.h"

#include <algorithm>
#include <utility>

namespace fallow::server {
namespace {

constexpr double kDevicesMax = 1e9;
constexpr double kUseMax = 2;
constexpr double kThousandths = 1'000;

double most_of(ClassFigure figure) {
  if (figure == ClassFigure::kFreeShare) return 1;
  return figure == ClassFigure::kUse ? kUseMax : kDevicesMax;
}

// Intervals in which nothing was offered are not told of: what is missing of the hour offered none.
double mean_devices(std::int64_t thousandth_ms, const ClassHour& hour) {
  const std::int64_t span_ms = std::max(hour.span_ms, kHour.value / 1'000);
  return static_cast<double>(thousandth_ms) / kThousandths / static_cast<double>(span_ms);
}

std::optional<double> value_of(const ClassHour& hour, ClassFigure figure) {
  if (hour.span_ms <= 0 || hour.offered_ms <= 0) return std::nullopt;
  const auto offered = static_cast<double>(hour.offered_ms);
  switch (figure) {
    case ClassFigure::kOffered:
      return mean_devices(hour.offered_ms, hour);
    case ClassFigure::kFreeShare:
      return std::clamp(static_cast<double>(hour.offered_ms - hour.leased_ms) / offered, 0.0, 1.0);
    case ClassFigure::kDemand:
      return mean_devices(hour.leased_ms + hour.waited_ms, hour);
    case ClassFigure::kUse:
      return std::min(static_cast<double>(hour.leased_ms + hour.waited_ms) / offered, kUseMax);
  }
  return std::nullopt;
}

}  // namespace

HourSeries series_of(std::span<const ClassHour> hours, std::int64_t until_hour,
                     ClassFigure figure) {
  HourSeries series;
  series.most = most_of(figure);
  while (!hours.empty() && hours.front().hour < until_hour - kForecastWindowHours) {
    hours = hours.subspan(1);
  }
  if (hours.empty() || hours.front().hour >= until_hour) return series;
  series.first_hour = hours.front().hour;
  const std::optional<double> missing =
      figure == ClassFigure::kOffered ? std::optional(0.0) : std::nullopt;
  series.values.assign(static_cast<std::size_t>(until_hour - series.first_hour), missing);
  for (const ClassHour& hour : hours) {
    if (hour.hour >= until_hour) break;
    if (const auto value = value_of(hour, figure)) {
      series.values[static_cast<std::size_t>(hour.hour - series.first_hour)] = value;
    }
  }
  return series;
}

ClassForecast::ClassForecast(Seasonal offered, Seasonal free_share, Seasonal demand, Seasonal use)
    : offered_(std::move(offered)),
      free_share_(std::move(free_share)),
      demand_(std::move(demand)),
      use_(std::move(use)) {}

std::optional<ClassForecast> ClassForecast::learn(std::span<const ClassHour> hours,
                                                  std::int64_t until_hour) {
  const auto fit = [&](ClassFigure figure) {
    return Seasonal::fit(series_of(hours, until_hour, figure));
  };
  HourSeries all = series_of(hours, until_hour, ClassFigure::kOffered);
  const std::size_t known = all.values.size();
  auto offered = Seasonal::fit(std::move(all));
  auto free_share = fit(ClassFigure::kFreeShare);
  auto demand = fit(ClassFigure::kDemand);
  auto use = fit(ClassFigure::kUse);
  if (!offered || !free_share || !demand || !use) return std::nullopt;
  ClassForecast made(std::move(*offered), std::move(*free_share), std::move(*demand),
                     std::move(*use));
  made.until_hour_ = until_hour;
  made.days_known_ = static_cast<std::uint32_t>(known / static_cast<std::size_t>(kDayHours));
  return made;
}

HourOutlook ClassForecast::at(std::int64_t hour) const {
  const std::int64_t ahead = hour - until_hour_ + 1;
  return {offered_.ahead(ahead), free_share_.ahead(ahead), demand_.ahead(ahead),
          use_.ahead(ahead).p50};
}

std::optional<double> expected_use(std::span<const ClassHour> hours, std::int64_t until_hour,
                                   std::int64_t hour) {
  const auto fit = Seasonal::fit(series_of(hours, until_hour, ClassFigure::kUse));
  if (!fit) return std::nullopt;
  return fit->ahead(hour - until_hour + 1).p50;
}

}  // namespace fallow::server
