#include "sim/market_figures.h"

#include <gtest/gtest.h>

namespace fallow::sim {
namespace {

TEST(MarketFigures, ATallyIsOfItsOwnJobsAndAddsUp) {
  JobTally short_jobs;
  JobTally long_jobs;
  for (int i = 1; i <= 9; ++i) {
    short_jobs.arrived();
    short_jobs.queued(minutes(i));
    short_jobs.done(hours(i), hours(1), i > 7);
  }
  short_jobs.paid(18);
  short_jobs.worked(9, 1);
  short_jobs.leased(12, true);
  long_jobs.arrived();
  long_jobs.overdue();
  long_jobs.leased(36, false);

  const JobFigures figures = short_jobs.figures();
  EXPECT_EQ(figures.jobs, 9U);
  EXPECT_EQ(figures.done, 9U);
  EXPECT_EQ(figures.late, 2U);
  EXPECT_DOUBLE_EQ(figures.completion_hours_p50, 5);
  EXPECT_DOUBLE_EQ(figures.completion_hours_p90, 8);
  EXPECT_DOUBLE_EQ(figures.slowdown_mean, 5);
  EXPECT_DOUBLE_EQ(figures.queue_minutes_mean, 5);
  EXPECT_DOUBLE_EQ(figures.cost_work_hour, 2);
  EXPECT_DOUBLE_EQ(figures.spot_pct(), 100);

  short_jobs.add(long_jobs);
  const JobFigures all = short_jobs.figures();
  EXPECT_EQ(all.jobs, 10U);
  EXPECT_EQ(all.done, 9U);
  EXPECT_EQ(all.late, 3U);
  EXPECT_DOUBLE_EQ(all.spot_pct(), 25);
  EXPECT_DOUBLE_EQ(JobTally().figures().cost_work_hour, 0);
}

TEST(MarketFigures, LeasesAddUpByHost) {
  LeasesByTier leases{};
  leases[place_of(v1::SPOT)][0] = {.leases = 4, .preempted = 2, .lost = 1, .leased_hours = 20};
  leases[place_of(v1::SPOT)][1] = {.leases = 1, .leased_hours = 5};
  leases[place_of(v1::RESERVED)][1] = {.leases = 2, .leased_hours = 15, .income = 3};
  EXPECT_EQ(sum_of(leases).leases, 7U);
  EXPECT_EQ(sum_of(leases).preempted, 2U);
  EXPECT_EQ(sum_on(leases, true).leases, 3U);
  EXPECT_DOUBLE_EQ(sum_on(leases, true).income, 3);
  const HostFigures host{.nodes = 1, .devices = 2, .offered_hours = 80};
  EXPECT_DOUBLE_EQ(host.used_pct(sum_on(leases, true)), 25);
  EXPECT_DOUBLE_EQ(HostFigures().used_pct(sum_on(leases, true)), 0);
}

}  // namespace
}  // namespace fallow::sim
