// What the market laboratory counts: of the jobs by the tier that they asked for, of the leases by
// the tier that they had and the kind of their host. Values; one thread.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/types.h"
#include "sim/market_rules.h"

namespace fallow::sim {

// Of the jobs that asked for one tier, or of all. Costs are what renters paid net of refunds.
struct JobFigures {
  std::uint64_t jobs = 0;  // that arrived
  std::uint64_t done = 0;
  std::uint64_t late = 0;    // of the done ones, and those whose deadline has passed
  double slowdown_mean = 0;  // of the done: from arrival to end / time on the reference card
  double completion_hours_p50 = 0, completion_hours_p90 = 0, completion_hours_p99 = 0;
  double queue_minutes_mean = 0;  // from an order, or its preemption, to its placement
  double queue_minutes_p99 = 0;
  double cost = 0;
  double cost_work_hour = 0;  // per GPU hour of work kept, on the reference card
  double work_hours = 0;      // kept, GPU hours on the reference card
  double lost_hours = 0;      // likewise; done again
  double leased_hours = 0;    // of GPUs
  double spot_hours = 0;      // of them on spot
  double spot_pct() const { return leased_hours > 0 ? 100 * spot_hours / leased_hours : 0; }
};

// Collects what the figures are made of.
class JobTally {
 public:
  void arrived() { ++sums_.jobs; }
  void queued(Duration time);
  void done(Duration took, Duration running, bool late);
  void overdue() { ++sums_.late; }
  void paid(double cost) { sums_.cost += cost; }
  void worked(double kept_hours, double lost_hours);
  void leased(double hours, bool spot);
  void add(const JobTally& other);
  JobFigures figures() const;

 private:
  JobFigures sums_;  // what needs no list
  std::vector<double> completion_, slowdown_, queued_;
};

// Of the leases of one tier on one kind of host.
struct LeaseFigures {
  std::uint64_t leases = 0;
  std::uint64_t preempted = 0;
  std::uint64_t lost = 0;      // ended by an owner or a failure
  double leased_hours = 0;     // of GPUs
  double work_hours = 0;       // kept, GPU hours on the reference card
  double lost_hours = 0;       // likewise; done again
  double preempted_hours = 0;  // of the lost ones, those lost by preemption
  double cost = 0;             // net of refunds
  double income = 0;           // of providers, after the fee and refunds
  void add(const LeaseFigures& other);
};

// By the kind of host.
struct HostFigures {
  std::uint64_t nodes = 0;
  std::uint64_t devices = 0;
  double offered_hours = 0;  // devices that were there
  // Of what was offered, by leases.
  double used_pct(const LeaseFigures& leases) const {
    return offered_hours > 0 ? 100 * leases.leased_hours / offered_hours : 0;
  }
};

constexpr std::size_t kHostKinds = 2;  // [verified]
using LeasesByTier = std::array<std::array<LeaseFigures, kHostKinds>, kMarketTierCount>;

LeaseFigures sum_of(const LeasesByTier& leases);
LeaseFigures sum_on(const LeasesByTier& leases, bool verified);

}  // namespace fallow::sim
