#include "cli/sim_forecast.h"

#include <fmt/core.h>

#include <memory>
#include <string>

#include "base/digest.h"
#include "cli/command.h"
#include "sim/forecast_lab.h"

namespace fallow::cli {
namespace {

void print_forecasts(const sim::ForecastLabReport& report) {
  Table table(
      {">hours ahead", "series", ">hours", "method", ">error", ">pinball", ">within 10-90"});
  for (const sim::ForecastRow& row : report.groups) {
    for (std::size_t i = 0; i < sim::kForecastMethods; ++i) {
      const sim::ForecastFigures& figures = row.methods[i];
      table.add({std::to_string(row.ahead), row.group, std::to_string(row.hours),
                 std::string(sim::name_of(static_cast<sim::ForecastMethod>(i))),
                 fmt::format("{:.4g}", figures.error), fmt::format("{:.4g}", figures.pinball),
                 fmt::format("{:.0f} %", figures.within_pct)});
    }
  }
  table.print("");
  fmt::print("digest  {}\n", to_hex(report.digest));
}

int run_forecasts(const Context& context, const sim::ForecastLabOptions& options) {
  const auto result = sim::run_forecast_lab(options);
  if (!result) return report(context, result.error());
  if (context.json) {
    fmt::print("{}\n", sim::to_json(*result));
  } else {
    print_forecasts(*result);
  }
  return kDone;
}

}  // namespace

void add_sim_forecast(Parser& group, Context& context) {
  auto options = std::make_shared<sim::ForecastLabOptions>();
  Parser* command = group.add_subcommand("forecast",
                                         "the market's forecast on traces, hour by hour from what "
                                         "lies before: its errors beside those "
                                         "of the same hour last week, the mean, and the last hour");
  command->add_option("--jobs", options->jobs, "a cluster's job trace, .csv or .csv.gz");
  command->add_option("--trace", options->trace, "SkyPilot spot traces, .csv or .csv.gz");
  command->add_option("--threads", options->threads, "series side by side")
      ->check(range(1U, sim::kForecastThreadsMax))
      ->capture_default_str();
  command->footer(
      "Example:\n  fallow sim forecast --jobs philly_sia.csv.gz --trace "
      "skypilot_spot_traces.csv.gz");
  command->callback(
      [=, &context] { context.run = [=, &context] { return run_forecasts(context, *options); }; });
}

}  // namespace fallow::cli
