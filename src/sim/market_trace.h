// Readers of what the market laboratory stands on: a cluster's job trace, a real market's price
// book, and fitted lengths of the spans in which machines are there and away. All .csv or .csv.gz.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/types.h"
#include "sim/csv_table.h"

namespace fallow::sim {

constexpr std::size_t kTraceJobsMax = 10'000'000;
constexpr std::uint32_t kTraceGpusMax = 4'096;

struct TraceJob {
  Time arrival;  // from the first one's midnight
  Duration running;
  std::uint32_t gpus = 0;
  std::uint32_t cluster = 0;  // by first appearance
};

struct JobTrace {
  std::vector<TraceJob> jobs;  // by arrival
  std::uint32_t clusters = 0;
  std::uint32_t days = 0;  // that the arrivals span
};

// Columns timestamp ("2017-10-09 07:01:55"), duration (seconds), num_gpus, cluster. Jobs without a
// duration or GPUs are left out. kInvalid with the line's number.
Result<JobTrace> parse_jobs(const CsvTable& table);

// What one kind of machine is offered at: its GPU model by verified or unverified hosts.
struct BookRow {
  std::string model;
  std::uint32_t memory_mb = 0;
  bool verified = false;
  std::uint32_t count = 0;  // devices, rented or available
  Micros p10, median, p90;  // a device hour
};

// Columns gpu, vram_gb, state, verification, count, price_median, price_p10, price_p90. Counts are
// those of the state "all"; prices those of "available", or of "all" where nothing is available.
// Rows without a device or a price are left out; a price that is missing is the median.
Result<std::vector<BookRow>> parse_price_book(const CsvTable& table);

// Weibull distributions, in hours.
struct ChurnFit {
  double up_shape = 0, up_scale = 0;
  double down_shape = 0, down_scale = 0;
};

// Columns trace, family, avail_p1, avail_p2, unavail_p1, unavail_p2. kNotFound, naming the traces
// there are, without a row of `trace` and the family Wbl.
Result<ChurnFit> parse_churn(const CsvTable& table, std::string_view trace);

// The mean of either.
double weibull_mean(double shape, double scale);
// Its value for `uniform` in (0, 1).
double weibull_value(double shape, double scale, double uniform);

}  // namespace fallow::sim
