#include "cli/sim_spot.h"

#include <fmt/core.h>

#include <memory>
#include <string>

#include "base/digest.h"
#include "cli/command.h"
#include "cli/sim_chart.h"
#include "sim/spot_report.h"

namespace fallow::cli {
namespace {

struct SpotArguments {
  sim::SpotOptions options;
  std::string ratios = "1.05,1.1,1.25,1.5,2,3";
  std::string plot;
};

std::string two_decimals(double value) { return fmt::format("{:.2f}", value); }

void print_spot(const sim::SpotReport& report) {
  fmt::print("spot: {} h of work, {} min a start, on_demand {}/h, {} starts on each trace\n",
             report.options.work_hours, report.options.restart_minutes,
             report.options.on_demand_price, report.options.starts);
  Table table({">deadline/work", ">jobs", "policy", ">cost", ">% of on_demand", ">late", ">% spot",
               ">starts"});
  for (const sim::SpotRatio& ratio : report.ratios) {
    for (std::size_t k = 0; k < sim::kSpotPolicies; ++k) {
      const sim::SpotFigures& figures = ratio.policies[k];
      table.add({fmt::format("{}", ratio.deadline_ratio), std::to_string(ratio.jobs),
                 std::string(sim::name_of(sim::kSpotPolicyKinds[k])), two_decimals(figures.cost),
                 two_decimals(figures.of_on_demand), fmt::format("{:.0f}", figures.late),
                 two_decimals(figures.spot_pct), two_decimals(figures.starts)});
    }
    table.add({fmt::format("{}", ratio.deadline_ratio), std::to_string(ratio.jobs), "(optimum)",
               two_decimals(ratio.optimum),
               two_decimals(100 * ratio.optimum / ratio.policies[0].cost), "0", "", ""});
  }
  table.print("");
  fmt::print("digest  {}\n", to_hex(report.digest));
}

int spot(const Context& context, SpotArguments arguments) {
  if (const Status ratios = sim::parse_ratios(arguments.ratios, arguments.options); !ratios) {
    return report(context, ratios.error());
  }
  const auto result = sim::run_spot(arguments.options);
  if (!result) return report(context, result.error());
  if (context.json) {
    fmt::print("{}\n", sim::to_json(*result));
  } else {
    print_spot(*result);
  }
  return draw_chart(context, sim::cost_chart(*result), arguments.plot, "spot");
}

}  // namespace

void add_sim_spot(Parser& group, Context& context) {
  auto arguments = std::make_shared<SpotArguments>();
  sim::SpotOptions& options = arguments->options;
  Parser* command = group.add_subcommand(
      "spot",
      "jobs with deadlines over traces of spot capacity: what the market's policy pays beside "
      "on_demand only, greedy, Uniform Progress (NSDI'24) and who knows the future");
  command->add_option("--trace", options.trace, "SkyPilot spot traces, .csv or .csv.gz")
      ->required();
  command->add_option("--deadline-ratio", arguments->ratios, "deadline / work; several with commas")
      ->capture_default_str();
  command->add_option("--only", options.only, "traces whose name begins so, as aws-02-15-2023");
  command->add_option("--work-hours", options.work_hours, "running time of a job")
      ->check(range(0.1, 10'000.0))
      ->capture_default_str();
  command->add_option("--restart-minutes", options.restart_minutes, "from a start until new work")
      ->check(range(0U, 1'440U))
      ->capture_default_str();
  command->add_option("--starts", options.starts, "jobs on each trace, evenly apart")
      ->check(range(1U, sim::kSpotStartsMax))
      ->capture_default_str();
  command->add_option("--on-demand-price", options.on_demand_price, "an hour")
      ->check(range(0.0, 1e6))
      ->capture_default_str();
  command->add_option("--spot-price", options.spot_price, "an hour, where the trace has no price")
      ->check(range(0.0, 1e6))
      ->capture_default_str();
  command->add_option("--threads", options.threads, "jobs side by side")
      ->check(range(1U, sim::kSpotThreadsMax))
      ->capture_default_str();
  command->add_option("--plot", arguments->plot, "folder for an SVG chart; needs gnuplot");
  command->footer(
      "Example:\n  fallow sim spot --trace skypilot_spot_traces.csv.gz --deadline-ratio 1.25,1.5");
  command->callback(
      [=, &context] { context.run = [=, &context] { return spot(context, *arguments); }; });
}

}  // namespace fallow::cli
