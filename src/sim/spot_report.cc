#include "sim/spot_report.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cmath>
#include <thread>

#include "base/check.h"
#include "sim/csv_table.h"
#include "sim/spot_trace.h"

namespace fallow::sim {
namespace {

struct JobRuns {
  std::size_t trace = 0;
  SpotJob job;
  std::array<SpotRun, kSpotPolicies> runs{};
  Micros optimum;
};

Micros to_micros(double in_units) { return Micros(std::llround(in_units * 1e6)); }

Duration to_duration(double hours) {
  // Whole seconds: what the traces are in.
  return seconds(std::llround(hours * 3'600));
}

std::vector<JobRuns> jobs_on(const std::vector<SpotTrace>& traces, const SpotJob& like,
                             std::uint32_t starts) {
  std::vector<JobRuns> jobs;
  for (std::size_t i = 0; i < traces.size(); ++i) {
    const auto looks = static_cast<std::size_t>((like.deadline.value + traces[i].gap.value - 1) /
                                                traces[i].gap.value);
    if (traces[i].available.size() < looks) continue;
    const std::size_t room = traces[i].available.size() - looks;
    for (std::uint32_t n = 0; n < starts; ++n) {
      JobRuns job;
      job.trace = i;
      job.job = like;
      job.job.begin = room * (2 * std::size_t{n} + 1) / (2 * std::size_t{starts});
      jobs.push_back(job);
    }
  }
  return jobs;
}

void run_all(const std::vector<SpotTrace>& traces, std::vector<JobRuns>& jobs, unsigned threads) {
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < jobs.size(); i = next++) {
      JobRuns& job = jobs[i];
      for (std::size_t k = 0; k < kSpotPolicies; ++k) {
        const auto policy = make_spot_policy(kSpotPolicyKinds[k], job.job);
        job.runs[k] = run_spot_job(traces[job.trace], job.job, *policy);
      }
      // on_demand only is in time; another policy may have found something better.
      Micros paid = job.runs[0].cost;
      for (const SpotRun& run : job.runs) paid = run.in_time ? std::min(paid, run.cost) : paid;
      job.optimum = least_cost(traces[job.trace], job.job, paid);
    }
  };
  std::vector<std::jthread> helpers;
  for (unsigned i = 1; i < threads; ++i) helpers.emplace_back(work);
  work();
}

double in_units(Micros amount) { return static_cast<double>(amount.value) / 1e6; }

SpotRatio summary(const std::vector<SpotTrace>& traces, const std::vector<JobRuns>& jobs,
                  double ratio, Digester& digester) {
  SpotRatio summary;
  summary.deadline_ratio = ratio;
  summary.jobs = jobs.size();
  const auto count = static_cast<double>(jobs.size());
  std::array<double, kSpotPolicies> spot{};
  std::array<double, kSpotPolicies> ran{};
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const JobRuns& job = jobs[i];
    if (i == 0 || jobs[i - 1].trace != job.trace) {
      ++summary.traces;
      summary.by_trace.push_back({traces[job.trace].name, {}});
    }
    summary.optimum += in_units(job.optimum) / count;
    digester.update_u64(static_cast<std::uint64_t>(job.optimum.value));
    for (std::size_t k = 0; k < kSpotPolicies; ++k) {
      const SpotRun& run = job.runs[k];
      SpotFigures& figures = summary.policies[k];
      figures.cost += in_units(run.cost) / count;
      figures.late += run.in_time ? 0 : 1;
      figures.starts += run.starts / count;
      spot[k] += static_cast<double>(run.spot.value);
      ran[k] += static_cast<double>((run.spot + run.on_demand).value);
      summary.by_trace.back().second[k] += in_units(run.cost);
      for (const std::int64_t value : {run.cost.value, run.took.value, run.spot.value,
                                       run.on_demand.value, std::int64_t{run.starts}}) {
        digester.update_u64(static_cast<std::uint64_t>(value));
      }
    }
  }
  const double on_demand = summary.policies[0].cost;
  for (std::size_t k = 0; k < kSpotPolicies; ++k) {
    SpotFigures& figures = summary.policies[k];
    figures.of_on_demand = on_demand > 0 ? 100 * figures.cost / on_demand : 100;
    figures.spot_pct = ran[k] > 0 ? 100 * spot[k] / ran[k] : 0;
  }
  const double jobs_a_trace = count / static_cast<double>(summary.traces);
  for (auto& [name, costs] : summary.by_trace) {
    for (double& cost : costs) cost /= jobs_a_trace;
  }
  return summary;
}

}  // namespace

Result<SpotReport> run_spot(const std::vector<SpotTrace>& traces, const SpotOptions& options) {
  SpotReport report;
  report.options = options;
  Digester digester;
  for (const double ratio : options.deadline_ratios) {
    SpotJob job;
    job.work = to_duration(options.work_hours);
    job.deadline = to_duration(options.work_hours * ratio);
    job.restart = minutes(options.restart_minutes);
    job.on_demand_hour = to_micros(options.on_demand_price);
    Duration gap;
    for (const SpotTrace& trace : traces) gap = std::max(gap, trace.gap);
    if (job.deadline < job.work + job.restart + gap) {
      return fail(ErrorCode::kInvalid,
                  "a deadline of {} times the work leaves no time for the {} min of a start and "
                  "one look at the trace; give a higher --deadline-ratio or more --work-hours",
                  ratio, options.restart_minutes);
    }
    std::vector<JobRuns> jobs = jobs_on(traces, job, options.starts);
    if (jobs.empty()) {
      return fail(ErrorCode::kInvalid,
                  "no trace is as long as a deadline of {} times {} h; give fewer --work-hours",
                  ratio, options.work_hours);
    }
    run_all(traces, jobs, options.threads);
    report.ratios.push_back(summary(traces, jobs, ratio, digester));
  }
  report.digest = digester.finish();
  return report;
}

Result<SpotReport> run_spot(const SpotOptions& options) {
  FALLOW_ASSIGN(const CsvTable table, CsvTable::read(options.trace));
  FALLOW_ASSIGN(const std::vector<SpotTrace> traces,
                parse_spot_traces(table, to_micros(options.spot_price), options.only));
  return run_spot(traces, options);
}

Status parse_ratios(const std::string& text, SpotOptions& options) {
  options.deadline_ratios.clear();
  const char* at = text.data();
  const char* const end = at + text.size();
  for (;;) {
    double ratio = 0;
    const auto [stop, error] = std::from_chars(at, end, ratio);
    if (error != std::errc{} || !(ratio > 1 && ratio <= kDeadlineRatioMax) ||
        options.deadline_ratios.size() == kDeadlineRatiosMax || (stop != end && *stop != ',')) {
      return fail(ErrorCode::kInvalid,
                  "deadline ratios are numbers above 1 up to {}, at most {} with commas between "
                  "them; \"{}\" is something else",
                  kDeadlineRatioMax, kDeadlineRatiosMax, text);
    }
    options.deadline_ratios.push_back(ratio);
    if (stop == end) return {};
    at = stop + 1;
  }
}

std::string to_json(const SpotReport& report) {
  std::string ratios;
  for (const SpotRatio& ratio : report.ratios) {
    std::string policies;
    std::string by_trace;
    for (std::size_t k = 0; k < kSpotPolicies; ++k) {
      const SpotFigures& figures = ratio.policies[k];
      policies += fmt::format(
          "{}\"{}\":{{\"cost\":{:.4f},\"of_on_demand_pct\":{:.3f},\"late\":{:.0f},"
          "\"spot_pct\":{:.3f},\"starts\":{:.3f}}}",
          k == 0 ? "" : ",", name_of(kSpotPolicyKinds[k]), figures.cost, figures.of_on_demand,
          figures.late, figures.spot_pct, figures.starts);
    }
    for (const auto& [name, costs] : ratio.by_trace) {
      by_trace += fmt::format("{}\"{}\":{{", by_trace.empty() ? "" : ",", name);
      for (std::size_t k = 0; k < kSpotPolicies; ++k) {
        by_trace += fmt::format("{}\"{}\":{:.4f}", k == 0 ? "" : ",", name_of(kSpotPolicyKinds[k]),
                                costs[k]);
      }
      by_trace += "}";
    }
    ratios += fmt::format(
        "{}{{\"deadline_ratio\":{},\"jobs\":{},\"traces\":{},\"policies\":{{{}}},"
        "\"optimum\":{{\"cost\":{:.4f}}},\"by_trace\":{{{}}}}}",
        ratios.empty() ? "" : ",", ratio.deadline_ratio, ratio.jobs, ratio.traces, policies,
        ratio.optimum, by_trace);
  }
  return fmt::format(
      "{{\"work_hours\":{},\"restart_minutes\":{},\"on_demand_price\":{},\"spot_price\":{},"
      "\"ratios\":[{}],\"digest\":\"{}\"}}",
      report.options.work_hours, report.options.restart_minutes, report.options.on_demand_price,
      report.options.spot_price, ratios, to_hex(report.digest));
}

Chart cost_chart(const SpotReport& report) {
  Chart chart;
  chart.title = fmt::format("{} h of work, {} min a start", report.options.work_hours,
                            report.options.restart_minutes);
  chart.x_label = "deadline / work";
  chart.y_label = "cost of a job";
  for (const SpotPolicyKind kind : kSpotPolicyKinds) {
    chart.lines.push_back(ChartLine{std::string(name_of(kind)), {}});
  }
  chart.lines.push_back(ChartLine{"optimum", {}});
  for (const SpotRatio& ratio : report.ratios) {
    for (std::size_t k = 0; k < kSpotPolicies; ++k) {
      chart.lines[k].points.push_back({ratio.deadline_ratio, ratio.policies[k].cost});
    }
    chart.lines.back().points.push_back({ratio.deadline_ratio, ratio.optimum});
  }
  return chart;
}

}  // namespace fallow::sim
