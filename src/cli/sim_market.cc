#include "cli/sim_market.h"

#include <fmt/core.h>

#include <memory>
#include <string>
#include <vector>

#include "base/digest.h"
#include "cli/command.h"
#include "cli/sim_chart.h"
#include "sim/market_report.h"

namespace fallow::cli {
namespace {

struct MarketArguments {
  sim::MarketOptions options;
  std::string policy = "fallow";
  std::string plot;
};

std::string places(double value, int count) { return fmt::format("{:.{}f}", value, count); }

void print_market(const sim::MarketReport& report) {
  const sim::MarketRules& rules = report.options.rules;
  const sim::MarketRun& run = report.run;
  fmt::print("market: {}, {} nodes, {} days, load {} %\n", sim::name_of(rules.policy), rules.nodes,
             rules.days, rules.load_pct);
  fmt::print("  jobs        {} arrived, {} done, {} late, {} orders refused\n", run.jobs, run.done,
             run.late, run.refused);
  fmt::print(
      "  completion  {:.2f} h (p50), {:.2f} h (p90), {:.2f} h (p99); {:.2f} times the "
      "running time on the reference card in the mean\n",
      run.completion_hours_p50, run.completion_hours_p90, run.completion_hours_p99,
      run.slowdown_mean);
  fmt::print("  queueing    {:.2f} min in the mean, {:.1f} min (p99)\n", run.queue_minutes_mean,
             run.queue_minutes_p99);
  fmt::print(
      "  cost        {:.0f}, {:.4f} a GPU hour of work on the reference card; fee {:.0f}, "
      "refunded {:.0f}\n",
      run.cost, run.cost_work_hour, run.fee, run.refunded);
  fmt::print("  work        {:.0f} GPU hours kept, {:.0f} lost in {} preemptions\n", run.work_hours,
             run.lost_hours, run.preemptions);
  Table table({"tier", "hosts", ">nodes", ">devices", ">leases", ">lost", ">used %", ">income"});
  for (const bool verified : {false, true}) {
    const sim::HostFigures& host = run.hosts[verified ? 1 : 0];
    const double used = host.offered_hours > 0 ? 100 * host.leased_hours / host.offered_hours : 0;
    table.add({"on_demand", verified ? "verified" : "home", std::to_string(host.nodes),
               std::to_string(host.devices), std::to_string(host.leases), std::to_string(host.lost),
               places(used, 2), places(host.income, 0)});
  }
  table.print("");
  fmt::print("commands/s  {:.0f} of one processor, {} in {:.1f} s\ndigest  {}\n",
             static_cast<double>(run.commands) / run.seconds, run.commands, run.seconds,
             to_hex(run.digest));
}

int run_market(const Context& context, MarketArguments arguments) {
  arguments.options.rules.policy = *sim::market_policy_named(arguments.policy);
  const auto result = sim::run_market(arguments.options);
  if (!result) return report(context, result.error());
  if (context.json) {
    fmt::print("{}\n", sim::to_json(*result));
  } else {
    print_market(*result);
  }
  return draw_chart(context, sim::use_chart(*result), arguments.plot,
                    fmt::format("market_{}", arguments.policy));
}

}  // namespace

void add_sim_market(Parser& group, Context& context) {
  auto arguments = std::make_shared<MarketArguments>();
  sim::MarketOptions& options = arguments->options;
  sim::MarketRules& rules = options.rules;
  Parser* command = group.add_subcommand("market",
                                         "a cluster's job trace on a fleet drawn from a real "
                                         "market's price book, whose nodes come "
                                         "and go as fitted, through the market that ships");
  command->add_option("--jobs", options.jobs, "job trace, .csv or .csv.gz")->required();
  command->add_option("--market", options.market, "price book, .csv or .csv.gz")->required();
  command->add_option("--churn", options.churn, "fitted spans, .csv or .csv.gz")->required();
  std::vector<std::string> names;
  for (const sim::MarketPolicy policy : sim::kMarketPolicies) names.emplace_back(name_of(policy));
  command->add_option("--policy", arguments->policy, "which offers the jobs' owners take")
      ->check(one_of(names))
      ->capture_default_str();
  command->add_option("--nodes", rules.nodes, "simulated provider machines")
      ->check(range(1U, sim::kMarketNodesMax))
      ->capture_default_str();
  command->add_option("--days", rules.days, "simulated time")
      ->check(range(1U, sim::kMarketDaysMax))
      ->capture_default_str();
  command->add_option("--load", rules.load_pct, "work that arrives, percent of what the fleet does")
      ->check(range(1U, 1'000U))
      ->capture_default_str();
  command
      ->add_option("--deadline-ratio", rules.deadline_ratio,
                   "deadline / running time on the reference card")
      ->check(range(1.0, 1'000.0))
      ->capture_default_str();
  command->add_option("--checkpoint-minutes", rules.checkpoint_minutes, "what is lost at most")
      ->check(range(1U, 1'440U))
      ->capture_default_str();
  command->add_option("--start-minutes", rules.start_minutes, "from placement until work; free")
      ->check(range(0U, 1'440U))
      ->capture_default_str();
  command->add_option("--home-churn", options.home_churn, "fit for unverified hosts")
      ->capture_default_str();
  command->add_option("--verified-churn", options.verified_churn, "fit for verified hosts")
      ->capture_default_str();
  command->add_option("--seed", rules.seed, "the same seed gives the same digest")
      ->capture_default_str();
  command->add_option("--plot", arguments->plot, "folder for an SVG chart; needs gnuplot");
  command->footer(
      "Example:\n  fallow sim market --jobs philly_sia.csv.gz --market vast_gpu_stats.csv "
      "--churn fta_fitted_distributions.csv --policy first-fit --nodes 10000 --days 30");
  command->callback(
      [=, &context] { context.run = [=, &context] { return run_market(context, *arguments); }; });
}

}  // namespace fallow::cli
