// What a figure that is known hour by hour is likely to be in the hours to come: how it usually is
// at this hour of the week, and how far it is from that just now.
//
//   usual(w) of the 168 hours of the week: the mean of that hour over the weeks, a week ago
//   counting
//     kWeekFade of what this one does; drawn towards the mean of its hour of the day, and that
//     towards the mean of all, by kappa / (weight + kappa) with
//         kappa = variance within cells / variance between them          (Bühlmann-Straub)
//     both taken from the data, so that a figure without a weekly shape is not given one by chance.
//     With too few repetitions to tell, kappa is kKappaUnknown.
//   p50(t + k) = usual(t + k) + phi^k * (value(t) - usual(t)) + the median of such errors before
//     where phi is the correlation of an hour's distance from usual with that of the hour before.
//   p10, p90: likewise, by the errors of forecasts made k hours ahead within the last four weeks,
//     each with what was known when it could have been made.
//
// Sources: H. Bühlmann and E. Straub, "Glaubwürdigkeit für Schadensätze", 1970 (the shrinkage);
// J. W. Taylor, "Short-term electricity demand forecasting using double seasonal exponential
// smoothing", J. Oper. Res. Soc. 54, 2003 (seasons within seasons, and the term phi^k for what is
// left of them). What it comes to on real traces: `fallow sim forecast`, docs/measurements.md.
//
// A value; any thread. Only sums, products and quotients of doubles in one order, so equal values
// give equal forecasts on every machine.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace fallow::server {

constexpr std::int64_t kWeekHours = 168;
constexpr std::int64_t kDayHours = 24;
// What forecasts are learned from: older hours are left out.
constexpr std::int64_t kForecastWindowHours = 12 * kWeekHours;

// In one of ten cases it is below p10, in one of ten above p90.
struct Band {
  double p10 = 0;
  double p50 = 0;
  double p90 = 0;
  bool operator==(const Band&) const = default;
};

// A figure's values, an hour each; none where it is not known.
struct HourSeries {
  std::int64_t first_hour = 0;  // since 1970; the week begins with hour 0, a Thursday's midnight
  std::vector<std::optional<double>> values;
  double least = 0;  // no value can be beyond these
  double most = 0;
};

class Seasonal {
 public:
  // Fewer known hours than two days say nothing.
  static constexpr std::size_t kKnownMin = 48;
  static constexpr double kWeekFade = 0.95;
  static constexpr double kKappaUnknown = 2;
  static constexpr std::size_t kErrorsMax = 4 * kWeekHours;

  // None: too little is known.
  static std::optional<Seasonal> fit(HourSeries series);

  // Of the hour `ahead` hours after the last of the series; 1 to 10 weeks.
  Band ahead(std::int64_t ahead) const;
  // How it usually is at that hour since 1970.
  double usual(std::int64_t hour) const {
    return tables_.back()[static_cast<std::size_t>(hour % kWeekHours)];
  }

 private:
  using Table = std::array<double, kWeekHours>;

  explicit Seasonal(HourSeries series) : series_(std::move(series)) {}
  // Forecast made of what was known at `at`, an index into the series, without the errors' median.
  double plain(std::size_t at, std::int64_t ahead) const;

  HourSeries series_;
  std::vector<Table> tables_;  // one a day of the series, from its first hour on
  std::vector<double> kept_;   // by hour: phi as it was known then
};

}  // namespace fallow::server
