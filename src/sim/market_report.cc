#include "sim/market_report.h"

#include <fmt/core.h>

#include "sim/csv_table.h"

namespace fallow::sim {
namespace {

std::string jobs_json(const JobFigures& jobs) {
  return fmt::format(
      "\"jobs\":{},\"done\":{},\"late\":{},\"slowdown_mean\":{:.4f},"
      "\"completion_hours\":{{\"p50\":{:.4f},\"p90\":{:.4f},\"p99\":{:.4f}}},"
      "\"queue_minutes\":{{\"mean\":{:.3f},\"p99\":{:.3f}}},\"cost\":{:.2f},"
      "\"cost_work_hour\":{:.5f},\"work_hours\":{:.1f},\"lost_hours\":{:.1f},\"spot_pct\":{:.2f}",
      jobs.jobs, jobs.done, jobs.late, jobs.slowdown_mean, jobs.completion_hours_p50,
      jobs.completion_hours_p90, jobs.completion_hours_p99, jobs.queue_minutes_mean,
      jobs.queue_minutes_p99, jobs.cost, jobs.cost_work_hour, jobs.work_hours, jobs.lost_hours,
      jobs.spot_pct());
}

std::string leases_json(const LeaseFigures& leases, const HostFigures& host) {
  return fmt::format(
      "{{\"leases\":{},\"preemptions\":{},\"lost\":{},\"leased_device_hours\":{:.1f},"
      "\"used_pct\":{:.3f},\"work_hours\":{:.1f},\"lost_hours\":{:.1f},"
      "\"preempted_hours\":{:.1f},\"cost\":{:.2f},\"income\":{:.2f}}}",
      leases.leases, leases.preempted, leases.lost, leases.leased_hours, host.used_pct(leases),
      leases.work_hours, leases.lost_hours, leases.preempted_hours, leases.cost, leases.income);
}

std::string host_json(const MarketRun& run, bool verified) {
  const HostFigures& host = run.hosts[verified ? 1 : 0];
  return fmt::format(
      "{{\"nodes\":{},\"devices\":{},\"offered_device_hours\":{:.1f},\"leases\":{}}}", host.nodes,
      host.devices, host.offered_hours, leases_json(sum_on(run.leases, verified), host));
}

std::string tiers_json(const MarketRun& run) {
  std::string tiers;
  for (std::size_t i = 0; i < kMarketTierCount; ++i) {
    tiers += fmt::format("{}\"{}\":{{\"asked\":{{{}}},\"home\":{},\"verified\":{}}}",
                         tiers.empty() ? "" : ",", market_tier_name(kMarketTiers[i]),
                         jobs_json(run.asked[i]), leases_json(run.leases[i][0], run.hosts[0]),
                         leases_json(run.leases[i][1], run.hosts[1]));
  }
  return tiers;
}

}  // namespace

Result<MarketReport> run_market(const MarketOptions& options) {
  FALLOW_TRY(check_rules(options.rules));
  MarketInputs inputs;
  FALLOW_ASSIGN(const CsvTable jobs, CsvTable::read(options.jobs));
  FALLOW_ASSIGN(inputs.jobs, parse_jobs(jobs));
  FALLOW_ASSIGN(const CsvTable market, CsvTable::read(options.market));
  FALLOW_ASSIGN(inputs.book, parse_price_book(market));
  FALLOW_ASSIGN(const CsvTable churn, CsvTable::read(options.churn));
  FALLOW_ASSIGN(inputs.home, parse_churn(churn, options.home_churn));
  FALLOW_ASSIGN(inputs.verified, parse_churn(churn, options.verified_churn));
  return MarketReport{options, run_market(inputs, options.rules)};
}

std::string to_json(const MarketReport& report) {
  const MarketRules& rules = report.options.rules;
  const MarketRun& run = report.run;
  std::string samples;
  for (const MarketSample& sample : run.samples) {
    samples += fmt::format("{}{{\"day\":{},\"used_pct\":{:.2f},\"waiting\":{:.0f}}}",
                           samples.empty() ? "" : ",", sample.day, sample.used_pct, sample.waiting);
  }
  const LeaseFigures leases = sum_of(run.leases);
  return fmt::format(
      "{{\"policy\":\"{}\",\"nodes\":{},\"days\":{},\"load_pct\":{},\"spot_jobs_pct\":{},"
      "\"reserved_jobs_pct\":{},\"spot_floor_pct\":{},\"price_interval_minutes\":{},\"seed\":{},"
      "{},\"refused\":{},\"fee\":{:.2f},\"refunded\":{:.2f},\"income\":{:.2f},"
      "\"preemptions\":{},\"lost\":{},\"hosts\":{{\"home\":{},\"verified\":{}}},\"tiers\":{{{}}},"
      "\"samples\":[{}],\"commands\":{},\"cpu_seconds\":{:.2f},"
      "\"commands_per_cpu_second\":{:.0f},\"digest\":\"{}\"}}",
      name_of(rules.policy), rules.nodes, rules.days, rules.load_pct, rules.spot_pct,
      rules.reserved_pct, rules.spot_floor_pct, rules.price_interval_minutes, rules.seed,
      jobs_json(run.all), run.refused, run.fee, run.refunded, leases.income, leases.preempted,
      leases.lost, host_json(run, false), host_json(run, true), tiers_json(run), samples,
      run.commands, run.seconds, static_cast<double>(run.commands) / run.seconds,
      to_hex(run.digest));
}

Chart use_chart(const MarketReport& report) {
  Chart chart;
  const MarketRules& rules = report.options.rules;
  chart.title =
      fmt::format("{}: {} nodes, load {} %", name_of(rules.policy), rules.nodes, rules.load_pct);
  chart.x_label = "day";
  chart.y_label = "% of the devices that are there; orders";
  chart.lines = {ChartLine{"in use, %", {}}, ChartLine{"orders that wait", {}}};
  for (const MarketSample& sample : report.run.samples) {
    chart.lines[0].points.push_back({sample.day, sample.used_pct});
    chart.lines[1].points.push_back({sample.day, sample.waiting});
  }
  return chart;
}

}  // namespace fallow::sim
