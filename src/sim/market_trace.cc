#include "sim/market_trace.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "sim/exact_math.h"

namespace fallow::sim {
namespace {

constexpr double kSecondsMax = 1e9;
constexpr double kPriceMax = 1e5;
constexpr double kMemoryGbMax = 10'000;

// Days since 1970 of a date of the civil calendar.
std::int64_t days_of(std::int64_t year, std::int64_t month, std::int64_t day) {
  // Years that begin in March have their leap day last.
  year -= month <= 2 ? 1 : 0;
  const std::int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return year * 365 + year / 4 - year / 100 + year / 400 + of_year - 719'468;
}

Result<std::int64_t> digits(const CsvTable& table, std::size_t row, std::string_view text,
                            std::size_t at, std::size_t count, std::int64_t low,
                            std::int64_t high) {
  std::int64_t value = text.size() >= at + count ? 0 : -1;
  for (std::size_t i = at; value >= 0 && i < at + count; ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    value = digit ? value * 10 + (text[i] - '0') : -1;
  }
  if (value >= low && value <= high) return value;
  return fail(ErrorCode::kInvalid, "{}: \"{}\" is no time like 2017-10-09 07:01:55",
              table.place(row), text);
}

Result<Time> time_of(const CsvTable& table, std::size_t row, std::size_t column) {
  const std::string_view text = table.text(row, column);
  FALLOW_ASSIGN(const auto year, digits(table, row, text, 0, 4, 1970, 2200));
  FALLOW_ASSIGN(const auto month, digits(table, row, text, 5, 2, 1, 12));
  FALLOW_ASSIGN(const auto day, digits(table, row, text, 8, 2, 1, 31));
  FALLOW_ASSIGN(const auto hour, digits(table, row, text, 11, 2, 0, 23));
  FALLOW_ASSIGN(const auto minute, digits(table, row, text, 14, 2, 0, 59));
  FALLOW_ASSIGN(const auto second, digits(table, row, text, 17, 2, 0, 60));
  return Time{} + hours(24 * days_of(year, month, day) + hour) + minutes(minute) + seconds(second);
}

// None: the field is empty.
Result<Micros> price_in(const CsvTable& table, std::size_t row, std::size_t column) {
  if (table.text(row, column).empty()) return Micros(0);
  FALLOW_ASSIGN(const double units, table.number(row, column, 0, kPriceMax));
  return Micros(std::llround(units * 1e6));
}

}  // namespace

Result<JobTrace> parse_jobs(const CsvTable& table) {
  FALLOW_ASSIGN(const auto timestamp, table.column("timestamp"));
  FALLOW_ASSIGN(const auto duration, table.column("duration"));
  FALLOW_ASSIGN(const auto gpus, table.column("num_gpus"));
  FALLOW_ASSIGN(const auto cluster, table.column("cluster"));
  if (table.rows() > kTraceJobsMax) {
    return fail(ErrorCode::kTooLarge, "{} has {} rows; the most is {}", table.name(), table.rows(),
                kTraceJobsMax);
  }
  JobTrace trace;
  std::map<std::string, std::uint32_t, std::less<>> clusters;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    TraceJob job;
    FALLOW_ASSIGN(job.arrival, time_of(table, row, timestamp));
    FALLOW_ASSIGN(const double running, table.number(row, duration, 0, kSecondsMax));
    job.running = Duration(std::llround(running * 1e6));
    FALLOW_ASSIGN(const auto count, table.integer(row, gpus, 0, kTraceGpusMax));
    job.gpus = static_cast<std::uint32_t>(count);
    job.cluster = clusters
                      .try_emplace(std::string(table.text(row, cluster)),
                                   static_cast<std::uint32_t>(clusters.size()))
                      .first->second;
    if (job.running >= seconds(1) && job.gpus > 0) trace.jobs.push_back(job);
  }
  if (trace.jobs.empty()) return fail(ErrorCode::kInvalid, "{} has no job", table.name());
  trace.clusters = static_cast<std::uint32_t>(clusters.size());
  std::stable_sort(trace.jobs.begin(), trace.jobs.end(),
                   [](const TraceJob& a, const TraceJob& b) { return a.arrival < b.arrival; });
  const std::int64_t day = hours(24).value;
  const Duration midnight(trace.jobs.front().arrival.us / day * day);
  for (TraceJob& job : trace.jobs) job.arrival = job.arrival - midnight;
  trace.days = static_cast<std::uint32_t>(trace.jobs.back().arrival.us / day + 1);
  return trace;
}

Result<std::vector<BookRow>> parse_price_book(const CsvTable& table) {
  FALLOW_ASSIGN(const auto gpu, table.column("gpu"));
  FALLOW_ASSIGN(const auto vram, table.column("vram_gb"));
  FALLOW_ASSIGN(const auto state, table.column("state"));
  FALLOW_ASSIGN(const auto verification, table.column("verification"));
  FALLOW_ASSIGN(const auto count, table.column("count"));
  FALLOW_ASSIGN(const auto median, table.column("price_median"));
  FALLOW_ASSIGN(const auto p10, table.column("price_p10"));
  FALLOW_ASSIGN(const auto p90, table.column("price_p90"));
  std::map<std::pair<std::string, bool>, BookRow> rows;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    const bool all = table.text(row, state) == "all";
    const bool verified = table.text(row, verification) == "verified";
    if ((!all && table.text(row, state) != "available") ||
        (!verified && table.text(row, verification) != "unverified")) {
      continue;
    }
    BookRow& known = rows[{std::string(table.text(row, gpu)), verified}];
    known.model = table.text(row, gpu);
    known.verified = verified;
    FALLOW_ASSIGN(const double memory, table.number(row, vram, 0.1, kMemoryGbMax));
    known.memory_mb = static_cast<std::uint32_t>(memory * 1'024);
    FALLOW_ASSIGN(const auto devices, table.integer(row, count, 0, 1'000'000));
    if (all) known.count = static_cast<std::uint32_t>(devices);
    FALLOW_ASSIGN(const Micros middle, price_in(table, row, median));
    if (middle.value == 0 || (all && known.median.value > 0)) continue;
    FALLOW_ASSIGN(const Micros low, price_in(table, row, p10));
    FALLOW_ASSIGN(const Micros high, price_in(table, row, p90));
    known.median = middle;
    known.p10 = low.value == 0 ? middle : std::min(low, middle);
    known.p90 = std::max(high, middle);
  }
  std::vector<BookRow> book;
  for (auto& [key, row] : rows) {
    if (row.count > 0 && row.median.value > 0) book.push_back(std::move(row));
  }
  if (book.empty()) {
    return fail(ErrorCode::kInvalid, "{} has no offer with a count and a price", table.name());
  }
  return book;
}

Result<ChurnFit> parse_churn(const CsvTable& table, std::string_view trace) {
  FALLOW_ASSIGN(const auto name, table.column("trace"));
  FALLOW_ASSIGN(const auto family, table.column("family"));
  FALLOW_ASSIGN(const auto up_1, table.column("avail_p1"));
  FALLOW_ASSIGN(const auto up_2, table.column("avail_p2"));
  FALLOW_ASSIGN(const auto down_1, table.column("unavail_p1"));
  FALLOW_ASSIGN(const auto down_2, table.column("unavail_p2"));
  std::string names;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    if (table.text(row, family) != "Wbl") continue;
    names += (names.empty() ? "" : ", ") + std::string(table.text(row, name));
    if (table.text(row, name) != trace) continue;
    ChurnFit fit;
    FALLOW_ASSIGN(fit.up_shape, table.number(row, up_1, 0.1, 10));
    FALLOW_ASSIGN(fit.up_scale, table.number(row, up_2, 1e-3, 1e6));
    FALLOW_ASSIGN(fit.down_shape, table.number(row, down_1, 0.1, 10));
    FALLOW_ASSIGN(fit.down_scale, table.number(row, down_2, 1e-3, 1e6));
    return fit;
  }
  return fail(ErrorCode::kNotFound, "{} has no Weibull fit (Wbl) of the trace {}; it has {}",
              table.name(), trace, names);
}

double weibull_value(double shape, double scale, double uniform) {
  const double exponent = exact_log(-exact_log(uniform)) / shape;
  return scale * exact_exp(exponent);
}

double weibull_mean(double shape, double scale) {
  // The mean of the values at even steps: within a percent for the shapes that fits have.
  constexpr int kSteps = 20'000;
  double sum = 0;
  for (int i = 0; i < kSteps; ++i) sum += weibull_value(shape, scale, (i + 0.5) / kSteps);
  return sum / kSteps;
}

}  // namespace fallow::sim
