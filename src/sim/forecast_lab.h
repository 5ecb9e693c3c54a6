// The forecast laboratory: server/seasonal.h on real series, beside what is cheaply said of them:
// `fallow sim forecast`.
//
// At every hour of a series, from its second week on, the hour `ahead` hours later is foretold from
// what lies before, as the market's server does it, and compared with what came. The naive ones:
// the same hour a week before, the mean of all hours before, and the last hour. Their bands come
// from their own errors of the last four weeks, as the forecast's do.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "server/seasonal.h"
#include "sim/market_trace.h"
#include "sim/spot_types.h"

namespace fallow::sim {

enum class ForecastMethod : std::size_t { kFallow, kLastWeek, kMean, kLastHour };
constexpr std::size_t kForecastMethods = 4;
std::string_view name_of(ForecastMethod method);

// The next hour as the price index asks for it (the hour between is not over), a day, a week.
constexpr std::array<std::int64_t, 3> kForecastLeads = {2, 24, 168};

struct NamedSeries {
  std::string group;  // series of one group are printed as one, by their mean
  std::string name;
  server::HourSeries series;
};

struct ForecastFigures {
  double error = 0;       // mean absolute
  double pinball = 0;     // mean over the quantiles 0.1, 0.5, 0.9
  double within_pct = 0;  // of what came, between p10 and p90: 80 if they are right
};

struct ForecastRow {
  std::string group;
  std::string name;
  std::int64_t ahead = 0;
  std::uint64_t hours = 0;  // that were foretold
  std::array<ForecastFigures, kForecastMethods> methods{};
};

struct ForecastLabOptions {
  std::string jobs;   // path of a job trace; empty: none
  std::string trace;  // path of spot traces; empty: none
  unsigned threads = 1;
};
constexpr unsigned kForecastThreadsMax = 64;

struct ForecastLabReport {
  std::vector<ForecastRow> rows;    // of each series and lead, in their order
  std::vector<ForecastRow> groups;  // the mean over the series of a group
  Digest digest{};
};

// GPUs that the trace's jobs run on, hour by hour, if each starts when it is asked for: of all, and
// of each cluster with a thousand jobs; and GPU hours asked for in the hour of all.
std::vector<NamedSeries> series_of_jobs(const JobTrace& trace);
// The share of each hour in which a zone had capacity.
std::vector<NamedSeries> series_of_spot(const std::vector<SpotTrace>& traces);

// Those with less than two weeks and the lead are left out. The same with any number of threads.
ForecastLabReport run_forecast_lab(const std::vector<NamedSeries>& series, unsigned threads);
// Reads the traces first. kNotFound for an absent file; kInvalid for a bad one, or without any.
Result<ForecastLabReport> run_forecast_lab(const ForecastLabOptions& options);

std::string to_json(const ForecastLabReport& report);

}  // namespace fallow::sim
