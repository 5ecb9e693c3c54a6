#include "cli/sim_market.h"

#include <fmt/core.h>

#include <memory>
#include <string>
#include <string_view>
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

void add_job_row(Table& table, std::string_view tier, const sim::JobFigures& jobs) {
  if (jobs.jobs == 0) return;
  table.add({std::string(tier), std::to_string(jobs.jobs), std::to_string(jobs.done),
             std::to_string(jobs.late), places(jobs.completion_hours_p50, 2),
             places(jobs.completion_hours_p90, 2), places(jobs.completion_hours_p99, 2),
             places(jobs.slowdown_mean, 2), places(jobs.queue_minutes_mean, 2),
             places(jobs.queue_minutes_p99, 1), places(jobs.cost, 0),
             places(jobs.cost_work_hour, 4), places(jobs.spot_pct(), 1)});
}

void add_lease_row(Table& table, std::string_view tier, std::string_view hosts,
                   const sim::LeaseFigures& leases, const sim::HostFigures& host) {
  if (leases.leases == 0) return;
  table.add({std::string(tier), std::string(hosts), std::to_string(leases.leases),
             std::to_string(leases.preempted), std::to_string(leases.lost),
             places(leases.work_hours, 0), places(leases.lost_hours, 0),
             places(host.used_pct(leases), 2), places(leases.cost, 0), places(leases.income, 0)});
}

void print_market(const sim::MarketReport& report) {
  const sim::MarketRules& rules = report.options.rules;
  const sim::MarketRun& run = report.run;
  fmt::print("market: {}, {} nodes ({} verified), {} days, load {} %, {} orders refused\n",
             sim::name_of(rules.policy), rules.nodes, run.hosts[1].nodes, rules.days,
             rules.load_pct, run.refused);
  fmt::print("jobs, by the tier that they asked for\n");
  Table jobs({"tier", ">jobs", ">done", ">late", ">h p50", ">h p90", ">h p99", ">slowdown",
              ">queue min", ">p99", ">cost", ">of a work h", ">on spot %"});
  for (const v1::Tier tier : sim::kMarketTiers) {
    add_job_row(jobs, sim::market_tier_name(tier), run.asked[sim::place_of(tier)]);
  }
  add_job_row(jobs, "all", run.all);
  jobs.print("none arrived");
  fmt::print("leases, by the tier that they had\n");
  Table leases({"tier", "hosts", ">leases", ">preempted", ">lost", ">work h", ">lost h", ">used %",
                ">cost", ">income"});
  for (const v1::Tier tier : sim::kMarketTiers) {
    const auto& by_host = run.leases[sim::place_of(tier)];
    add_lease_row(leases, sim::market_tier_name(tier), "home", by_host[0], run.hosts[0]);
    add_lease_row(leases, sim::market_tier_name(tier), "verified", by_host[1], run.hosts[1]);
  }
  add_lease_row(leases, "all", "home", sim::sum_on(run.leases, false), run.hosts[0]);
  add_lease_row(leases, "all", "verified", sim::sum_on(run.leases, true), run.hosts[1]);
  leases.print("none began");
  fmt::print("fee {:.0f}, refunded {:.0f}\n", run.fee, run.refunded);
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
  command
      ->add_option("--policy", arguments->policy,
                   "which offers the jobs' owners take, and on which tiers")
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
  command->add_option("--spot-pct", rules.spot_pct, "jobs that ask for spot, percent")
      ->check(range(0U, 100U))
      ->capture_default_str();
  command
      ->add_option("--reserved-pct", rules.reserved_pct,
                   "jobs that take a reserved term, percent; the rest is on demand")
      ->check(range(0U, 100U))
      ->capture_default_str();
  command
      ->add_option("--spot-floor-pct", rules.spot_floor_pct,
                   "from so many percent of its price on an offer takes spot")
      ->check(range(1U, 100U))
      ->capture_default_str();
  command
      ->add_option("--price-interval-minutes", rules.price_interval_minutes,
                   "how long a spot price holds")
      ->check(range(1U, 1'440U))
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
