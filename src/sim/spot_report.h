// The spot laboratory: jobs with deadlines over traces of spot capacity, by every policy: `fallow
// sim spot`.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "sim/chart.h"
#include "sim/spot_policy.h"
#include "sim/spot_run.h"
#include "sim/spot_types.h"

namespace fallow::sim {

constexpr std::uint32_t kSpotStartsMax = 10'000;
constexpr std::size_t kDeadlineRatiosMax = 32;
constexpr double kDeadlineRatioMax = 100;
constexpr unsigned kSpotThreadsMax = 64;

struct SpotOptions {
  std::string trace;                    // path, .csv or .csv.gz
  std::string only;                     // traces whose name begins so; empty: all
  std::vector<double> deadline_ratios;  // deadline / work; above 1
  double work_hours = 48;
  std::uint32_t restart_minutes = 12;
  std::uint32_t starts = 8;  // jobs on each trace, evenly apart
  double on_demand_price = 3.06;
  double spot_price = 0.9701;  // where the trace has none
  unsigned threads = 1;        // the answer is the same
};

struct SpotFigures {
  double cost = 0;          // mean of a job
  double of_on_demand = 0;  // percent of what on_demand only costs
  double late = 0;          // jobs
  double spot_pct = 0;      // of the time that ran
  double starts = 0;        // mean of a job
};

struct SpotRatio {
  double deadline_ratio = 0;
  std::uint64_t jobs = 0;
  std::uint64_t traces = 0;                           // long enough for such a job
  std::array<SpotFigures, kSpotPolicies> policies{};  // in the order of kSpotPolicyKinds
  double optimum = 0;                                 // mean cost
  // By trace that was long enough: its name and the mean cost of each policy.
  std::vector<std::pair<std::string, std::array<double, kSpotPolicies>>> by_trace;
};

struct SpotReport {
  SpotOptions options;
  std::vector<SpotRatio> ratios;
  Digest digest{};  // of every run's cost, times and starts
};

// Reads the traces and runs every job. kNotFound for an absent file; kInvalid for a bad one, for a
// ratio that leaves no time for the one start that every job needs, and when no trace is long
// enough.
Result<SpotReport> run_spot(const SpotOptions& options);
Result<SpotReport> run_spot(const std::vector<SpotTrace>& traces, const SpotOptions& options);

// "1.05,1.25,2"; kInvalid for anything but numbers above 1, at most kDeadlineRatiosMax.
Status parse_ratios(const std::string& text, SpotOptions& options);

// One JSON document, without a line end.
std::string to_json(const SpotReport& report);
// Cost over the deadline ratio.
Chart cost_chart(const SpotReport& report);

}  // namespace fallow::sim
