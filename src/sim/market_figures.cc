#include "sim/market_figures.h"

#include <algorithm>

namespace fallow::sim {
namespace {

double tally_hours(Duration time) { return static_cast<double>(time.value) / 3'600e6; }

double percentile(std::vector<double> values, double part) {
  if (values.empty()) return 0;
  const auto at = static_cast<std::size_t>(part * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(at), values.end());
  return values[at];
}

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

}  // namespace

void JobTally::queued(Duration time) { queued_.push_back(tally_hours(time) * 60); }

void JobTally::done(Duration took, Duration running, bool late) {
  ++sums_.done;
  if (late) ++sums_.late;
  completion_.push_back(tally_hours(took));
  slowdown_.push_back(tally_hours(took) / tally_hours(running));
}

void JobTally::worked(double kept_hours, double lost_hours) {
  sums_.work_hours += kept_hours;
  sums_.lost_hours += lost_hours;
}

void JobTally::leased(double hours, bool spot) {
  sums_.leased_hours += hours;
  if (spot) sums_.spot_hours += hours;
}

void JobTally::add(const JobTally& other) {
  sums_.jobs += other.sums_.jobs;
  sums_.done += other.sums_.done;
  sums_.late += other.sums_.late;
  sums_.cost += other.sums_.cost;
  sums_.work_hours += other.sums_.work_hours;
  sums_.lost_hours += other.sums_.lost_hours;
  sums_.leased_hours += other.sums_.leased_hours;
  sums_.spot_hours += other.sums_.spot_hours;
  const auto append = [](std::vector<double>& to, const std::vector<double>& from) {
    to.insert(to.end(), from.begin(), from.end());
  };
  append(completion_, other.completion_);
  append(slowdown_, other.slowdown_);
  append(queued_, other.queued_);
}

JobFigures JobTally::figures() const {
  JobFigures figures = sums_;
  figures.slowdown_mean = mean(slowdown_);
  figures.completion_hours_p50 = percentile(completion_, 0.5);
  figures.completion_hours_p90 = percentile(completion_, 0.9);
  figures.completion_hours_p99 = percentile(completion_, 0.99);
  figures.queue_minutes_mean = mean(queued_);
  figures.queue_minutes_p99 = percentile(queued_, 0.99);
  figures.cost_work_hour = figures.work_hours > 0 ? figures.cost / figures.work_hours : 0;
  return figures;
}

void LeaseFigures::add(const LeaseFigures& other) {
  leases += other.leases;
  preempted += other.preempted;
  lost += other.lost;
  leased_hours += other.leased_hours;
  work_hours += other.work_hours;
  lost_hours += other.lost_hours;
  preempted_hours += other.preempted_hours;
  cost += other.cost;
  income += other.income;
}

LeaseFigures sum_of(const LeasesByTier& leases) {
  LeaseFigures sum = sum_on(leases, false);
  sum.add(sum_on(leases, true));
  return sum;
}

LeaseFigures sum_on(const LeasesByTier& leases, bool verified) {
  LeaseFigures sum;
  for (const auto& by_host : leases) sum.add(by_host[verified ? 1 : 0]);
  return sum;
}

}  // namespace fallow::sim
