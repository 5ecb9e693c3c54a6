#include "sim/market_report.h"

#include <fmt/core.h>

#include "sim/csv_table.h"

namespace fallow::sim {
namespace {

std::string host_json(const HostFigures& host) {
  return fmt::format(
      "{{\"nodes\":{},\"devices\":{},\"leases\":{},\"lost\":{},\"offered_device_hours\":{:.1f},"
      "\"leased_device_hours\":{:.1f},\"used_pct\":{:.3f},\"income\":{:.2f}}}",
      host.nodes, host.devices, host.leases, host.lost, host.offered_hours, host.leased_hours,
      host.offered_hours > 0 ? 100 * host.leased_hours / host.offered_hours : 0, host.income);
}

}  // namespace

Result<MarketReport> run_market(const MarketOptions& options) {
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
  return fmt::format(
      "{{\"policy\":\"{}\",\"nodes\":{},\"days\":{},\"load_pct\":{},\"seed\":{},\"jobs\":{},"
      "\"done\":{},\"late\":{},\"refused\":{},\"slowdown_mean\":{:.4f},"
      "\"completion_hours\":{{\"p50\":{:.4f},\"p90\":{:.4f},\"p99\":{:.4f}}},"
      "\"queue_minutes\":{{\"mean\":{:.3f},\"p99\":{:.3f}}},\"cost\":{:.2f},"
      "\"cost_work_hour\":{:.5f},\"fee\":{:.2f},\"refunded\":{:.2f},\"work_hours\":{:.1f},"
      "\"lost_hours\":{:.1f},\"preemptions\":{},\"tiers\":{{\"on_demand\":{{\"home\":{},"
      "\"verified\":{}}}}},\"samples\":[{}],\"commands\":{},\"cpu_seconds\":{:.2f},"
      "\"commands_per_cpu_second\":{:.0f},\"digest\":\"{}\"}}",
      name_of(rules.policy), rules.nodes, rules.days, rules.load_pct, rules.seed, run.jobs,
      run.done, run.late, run.refused, run.slowdown_mean, run.completion_hours_p50,
      run.completion_hours_p90, run.completion_hours_p99, run.queue_minutes_mean,
      run.queue_minutes_p99, run.cost, run.cost_work_hour, run.fee, run.refunded, run.work_hours,
      run.lost_hours, run.preemptions, host_json(run.hosts[0]), host_json(run.hosts[1]), samples,
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
