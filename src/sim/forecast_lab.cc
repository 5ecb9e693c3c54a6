#include "sim/forecast_lab.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <optional>
#include <span>
#include <thread>

#include "base/types.h"
#include "sim/csv_table.h"
#include "sim/spot_trace.h"

namespace fallow::sim {
namespace {

using server::Band;
using server::kWeekHours;
using Values = std::span<const std::optional<double>>;

constexpr std::size_t kJobsOfClusterMin = 1'000;
constexpr double kUnbounded = 1e12;
constexpr std::array<double, 3> kQuantiles = {0.1, 0.5, 0.9};

std::int64_t hour_of(Time at) { return at.us / kHour.value; }

double in_hours(Duration time) {
  return static_cast<double>(time.value) / static_cast<double>(kHour.value);
}

double pinball(double foretold, double came, double quantile) {
  return (came >= foretold ? quantile : quantile - 1) * (came - foretold);
}

// One naive way of foretelling: a value, and what it said of hours that are known.
class Naive {
 public:
  Naive(ForecastMethod method, Values known, std::int64_t ahead)
      : method_(method), known_(known), ahead_(ahead) {
    double sum = 0;
    double count = 0;
    for (const auto& value : known) {
      sum += value.value_or(0);
      count += value ? 1 : 0;
    }
    mean_ = count > 0 ? sum / count : 0;
  }

  // Of the hour at `at`, which may lie behind the known ones.
  double point(std::size_t at) const {
    if (method_ == ForecastMethod::kMean) return mean_;
    const auto back =
        static_cast<std::size_t>(method_ == ForecastMethod::kLastWeek ? kWeekHours : ahead_);
    return at >= back ? known_[at - back].value_or(mean_) : mean_;
  }

  Band band() const {
    const std::size_t target = known_.size() - 1 + static_cast<std::size_t>(ahead_);
    std::vector<double> errors;
    for (std::size_t at = known_.size(); at-- > static_cast<std::size_t>(kWeekHours) &&
                                         errors.size() < server::Seasonal::kErrorsMax;) {
      if (known_[at]) errors.push_back(*known_[at] - point(at));
    }
    std::sort(errors.begin(), errors.end());
    const double middle = point(target);
    const auto at = [&](double share) {
      if (errors.empty()) return middle;
      const auto n = static_cast<double>(errors.size());
      return middle + errors[std::min(static_cast<std::size_t>(share * n), errors.size() - 1)];
    };
    return {at(0.1), middle, at(0.9)};
  }

 private:
  ForecastMethod method_;
  Values known_;
  std::int64_t ahead_;
  double mean_ = 0;
};

void add(ForecastFigures& figures, const server::HourSeries& series, Band band, double came) {
  band.p10 = std::clamp(band.p10, series.least, series.most);
  band.p90 = std::clamp(band.p90, series.least, series.most);
  const std::array<double, 3> foretold = {band.p10, band.p50, band.p90};
  figures.error += std::abs(came - band.p50);
  for (std::size_t i = 0; i < kQuantiles.size(); ++i) {
    figures.pinball += pinball(foretold[i], came, kQuantiles[i]) / kQuantiles.size();
  }
  figures.within_pct += band.p10 <= came && came <= band.p90 ? 100 : 0;
}

ForecastRow backtest(const NamedSeries& named, std::int64_t ahead) {
  ForecastRow row{named.group, named.name, ahead, 0, {}};
  const server::HourSeries& series = named.series;
  const auto lead = static_cast<std::size_t>(ahead);
  const auto window = static_cast<std::size_t>(server::kForecastWindowHours);
  for (std::size_t at = kWeekHours; at + lead < series.values.size(); ++at) {
    const auto came = series.values[at + lead];
    if (!came) continue;
    const std::size_t from = at + 1 > window ? at + 1 - window : 0;
    const Values known = Values(series.values).subspan(from, at + 1 - from);
    const auto fit = server::Seasonal::fit({series.first_hour + static_cast<std::int64_t>(from),
                                            {known.begin(), known.end()},
                                            series.least,
                                            series.most});
    if (!fit) continue;
    ++row.hours;
    add(row.methods[0], series, fit->ahead(ahead), *came);
    for (std::size_t method = 1; method < kForecastMethods; ++method) {
      const Naive naive(static_cast<ForecastMethod>(method), known, ahead);
      add(row.methods[method], series, naive.band(), *came);
    }
  }
  for (ForecastFigures& figures : row.methods) {
    const auto hours = static_cast<double>(std::max<std::uint64_t>(row.hours, 1));
    figures = {figures.error / hours, figures.pinball / hours, figures.within_pct / hours};
  }
  return row;
}

std::vector<ForecastRow> group_rows(const std::vector<ForecastRow>& rows) {
  std::vector<ForecastRow> groups;
  std::vector<double> members;
  for (const ForecastRow& row : rows) {
    const auto found = std::find_if(groups.begin(), groups.end(), [&](const ForecastRow& group) {
      return group.group == row.group && group.ahead == row.ahead;
    });
    const auto at = static_cast<std::size_t>(found - groups.begin());
    if (found == groups.end()) {
      groups.push_back({row.group, row.group, row.ahead, 0, {}});
      members.push_back(0);
    }
    groups[at].hours += row.hours;
    ++members[at];
    for (std::size_t i = 0; i < kForecastMethods; ++i) {
      groups[at].methods[i].error += row.methods[i].error;
      groups[at].methods[i].pinball += row.methods[i].pinball;
      groups[at].methods[i].within_pct += row.methods[i].within_pct;
    }
  }
  for (std::size_t at = 0; at < groups.size(); ++at) {
    for (ForecastFigures& figures : groups[at].methods) {
      figures = {figures.error / members[at], figures.pinball / members[at],
                 figures.within_pct / members[at]};
    }
  }
  return groups;
}

std::string rows_json(const std::vector<ForecastRow>& rows) {
  std::string text;
  for (const ForecastRow& row : rows) {
    std::string methods;
    for (std::size_t i = 0; i < kForecastMethods; ++i) {
      const ForecastFigures& figures = row.methods[i];
      methods +=
          fmt::format("{}\"{}\":{{\"error\":{:.6f},\"pinball\":{:.6f},\"within_pct\":{:.3f}}}",
                      i == 0 ? "" : ",", name_of(static_cast<ForecastMethod>(i)), figures.error,
                      figures.pinball, figures.within_pct);
    }
    text += fmt::format(
        "{}{{\"group\":\"{}\",\"name\":\"{}\",\"hours_ahead\":{},\"hours\":{},\"methods\":{{{}}}}}",
        text.empty() ? "" : ",", row.group, row.name, row.ahead, row.hours, methods);
  }
  return text;
}

}  // namespace

std::string_view name_of(ForecastMethod method) {
  switch (method) {
    case ForecastMethod::kFallow:
      return "fallow";
    case ForecastMethod::kLastWeek:
      return "last week";
    case ForecastMethod::kMean:
      return "mean";
    case ForecastMethod::kLastHour:
      return "last hour";
  }
  return "";
}

std::vector<NamedSeries> series_of_jobs(const JobTrace& trace) {
  // From the first arrival's hour to the last one's: what runs behind it is no demand of the time.
  const std::int64_t first = hour_of(trace.jobs.front().arrival) + 1;
  const std::int64_t last = hour_of(trace.jobs.back().arrival);
  const auto count = static_cast<std::size_t>(std::max<std::int64_t>(last - first, 0));
  std::vector<std::vector<double>> running(trace.clusters + 1, std::vector<double>(count, 0));
  std::vector<double> arriving(count, 0);
  std::vector<std::size_t> jobs(trace.clusters + 1, 0);
  for (const TraceJob& job : trace.jobs) {
    ++jobs[job.cluster];
    const Time end = job.arrival + job.running;
    const std::int64_t arrives = hour_of(job.arrival) - first;
    if (arrives >= 0 && arrives < last - first) {
      arriving[static_cast<std::size_t>(arrives)] += job.gpus * in_hours(job.running);
    }
    const std::int64_t from = std::max(hour_of(job.arrival), first);
    for (std::int64_t hour = from; hour < last && Time{hour * kHour.value} < end; ++hour) {
      const Time begins = std::max(job.arrival, Time{hour * kHour.value});
      const Time ends = std::min(end, Time{(hour + 1) * kHour.value});
      const double gpus = job.gpus * in_hours(ends - begins);
      running[job.cluster][static_cast<std::size_t>(hour - first)] += gpus;
      running.back()[static_cast<std::size_t>(hour - first)] += gpus;
    }
  }
  const auto named = [&](std::string name, const std::vector<double>& values) {
    return NamedSeries{name, name, {first, {values.begin(), values.end()}, 0, kUnbounded}};
  };
  std::vector<NamedSeries> series = {named("jobs: GPUs in use", running.back())};
  for (std::uint32_t cluster = 0; cluster < trace.clusters; ++cluster) {
    if (jobs[cluster] < kJobsOfClusterMin) continue;
    series.push_back(named(fmt::format("jobs: cluster {}", cluster + 1), running[cluster]));
  }
  series.push_back(named("jobs: GPU hours arriving", arriving));
  return series;
}

std::vector<NamedSeries> series_of_spot(const std::vector<SpotTrace>& traces) {
  std::vector<NamedSeries> series;
  for (const SpotTrace& trace : traces) {
    server::HourSeries shares{0, {}, 0, 1};
    std::int64_t looks = 0;
    double there = 0;
    for (std::size_t at = 0; at < trace.available.size(); ++at) {
      const std::int64_t hour = static_cast<std::int64_t>(at) * trace.gap.value / kHour.value;
      while (hour > static_cast<std::int64_t>(shares.values.size())) {
        shares.values.push_back(looks > 0 ? std::optional(there / static_cast<double>(looks))
                                          : std::nullopt);
        there = 0;
        looks = 0;
      }
      ++looks;
      there += trace.available[at] ? 1 : 0;
    }
    series.push_back({"spot: share of the hour", trace.name, std::move(shares)});
  }
  return series;
}

ForecastLabReport run_forecast_lab(const std::vector<NamedSeries>& series, unsigned threads) {
  struct Work {
    const NamedSeries* series;
    std::int64_t ahead;
  };
  std::vector<Work> all;
  for (const std::int64_t ahead : kForecastLeads) {
    for (const NamedSeries& named : series) {
      const auto hours = static_cast<std::int64_t>(named.series.values.size());
      if (hours >= 2 * kWeekHours + ahead) all.push_back({&named, ahead});
    }
  }
  ForecastLabReport report;
  report.rows.resize(all.size());
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t at = next++; at < all.size(); at = next++) {
      report.rows[at] = backtest(*all[at].series, all[at].ahead);
    }
  };
  {
    std::vector<std::jthread> helpers;
    for (unsigned i = 1; i < threads; ++i) helpers.emplace_back(work);
    work();
  }
  report.groups = group_rows(report.rows);
  report.digest = digest_of(rows_json(report.rows));
  return report;
}

Result<ForecastLabReport> run_forecast_lab(const ForecastLabOptions& options) {
  std::vector<NamedSeries> series;
  if (!options.jobs.empty()) {
    FALLOW_ASSIGN(const CsvTable table, CsvTable::read(options.jobs));
    FALLOW_ASSIGN(const JobTrace trace, parse_jobs(table));
    series = series_of_jobs(trace);
  }
  if (!options.trace.empty()) {
    FALLOW_ASSIGN(const CsvTable table, CsvTable::read(options.trace));
    FALLOW_ASSIGN(const std::vector<SpotTrace> traces, parse_spot_traces(table, Micros(1), ""));
    for (NamedSeries& named : series_of_spot(traces)) series.push_back(std::move(named));
  }
  ForecastLabReport report = run_forecast_lab(series, options.threads);
  if (!report.rows.empty()) return report;
  return fail(ErrorCode::kInvalid,
              "nothing to foretell: name a trace of more than two weeks with --jobs or --trace");
}

std::string to_json(const ForecastLabReport& report) {
  return fmt::format("{{\"series\":[{}],\"groups\":[{}],\"digest\":\"{}\"}}",
                     rows_json(report.rows), rows_json(report.groups), to_hex(report.digest));
}

}  // namespace fallow::sim
