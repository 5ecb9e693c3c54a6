// What is likely of a class of device in the hours to come: how much is free, offered and asked
// for, each by its own Seasonal of the hours that History keeps.
//
//   offered      devices, on the mean of the hour; 0 in an hour in which none was
//   free share   (offered - leased) / offered        not known in an hour in which none was offered
//   demand       leased + waited for, devices        likewise
//   use          demand / offered, at most 2         likewise; what the price index looks at
//
// A wait counts when its lease has ended and was paid for: see core/paid_wait.h.
//
// Values and pure functions; any thread. Real arithmetic: what comes of it enters the market as a
// command (SetForecast), never directly.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "server/ports.h"
#include "server/seasonal.h"

namespace fallow::server {

enum class ClassFigure { kOffered, kFreeShare, kDemand, kUse };

// Of these hours, ascending, all from `until_hour` - kForecastWindowHours on; those from
// `until_hour` on are not over yet and left out. Ends with the hour before it.
HourSeries series_of(std::span<const ClassHour> hours, std::int64_t until_hour, ClassFigure figure);

struct HourOutlook {
  Band offered;
  Band free_share;
  Band demand;
  double use = 0;
};

class ClassForecast {
 public:
  // None: less than two days of it are known.
  static std::optional<ClassForecast> learn(std::span<const ClassHour> hours,
                                            std::int64_t until_hour);
  // Of an hour from `until_hour` on, at most 10 weeks.
  HourOutlook at(std::int64_t hour) const;
  // Of history, from its first hour on.
  std::uint32_t days_known() const { return days_known_; }

 private:
  ClassForecast(Seasonal offered, Seasonal free_share, Seasonal demand, Seasonal use);

  Seasonal offered_;
  Seasonal free_share_;
  Seasonal demand_;
  Seasonal use_;
  std::int64_t until_hour_ = 0;
  std::uint32_t days_known_ = 0;
};

// The use that is likelier than not to be reached at `hour`; none while too little is known.
std::optional<double> expected_use(std::span<const ClassHour> hours, std::int64_t until_hour,
                                   std::int64_t hour);

}  // namespace fallow::server
