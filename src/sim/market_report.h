// The market laboratory: `fallow sim market`.
#pragma once

#include <string>

#include "base/result.h"
#include "sim/chart.h"
#include "sim/market_run.h"

namespace fallow::sim {

struct MarketOptions {
  std::string jobs;  // paths, .csv or .csv.gz
  std::string market;
  std::string churn;
  std::string home_churn = "Microsoft99";  // the fits' traces
  std::string verified_churn = "Lanl05";
  MarketRules rules;
};

struct MarketReport {
  MarketOptions options;
  MarketRun run;
};

// Reads the three files and runs. kNotFound for an absent file or fit, kInvalid for a bad one and
// for rules that contradict each other.
Result<MarketReport> run_market(const MarketOptions& options);

// One JSON document, without a line end.
std::string to_json(const MarketReport& report);
// Use of the devices and waiting orders over the days.
Chart use_chart(const MarketReport& report);

}  // namespace fallow::sim
