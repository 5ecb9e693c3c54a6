// TrialFacts: what the log says of a span that no rule decides: how long tasks ran when they came
// to an end by themselves, how, and how long starts took. A trial's model runs its leases by it.
//
// Owner: try_policy, which shows it the span once; then read by the models. One thread. Holds some
// bytes for each task that ran.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <utility>

#include "base/types.h"
#include "core/machine.h"
#include "engine/batch.h"
#include "fallow/v1/events.pb.h"

namespace fallow::sim {

class TrialFacts {
 public:
  void see(const engine::Batch& batch, const core::Machine& machine);

  // How a task comes to an end by itself.
  struct Run {
    Duration time;  // of running, in the attempt in which it did
    v1::EndReason reason = v1::COMPLETED;
    std::int32_t exit_code = 0;
  };
  // Of a task of the log's order. None: it ran until it was stopped, or until the log's end.
  // `limit`: the most that it may run, by which those are judged that never ran.
  std::optional<Run> run_of(OrderId order, std::uint32_t task, Duration limit) const;
  // Of one that ran when the span began.
  std::optional<Run> rest_of(OrderId order, std::uint32_t task) const;
  // The task of the lease that the command stopped, if it is one of the span's StopLease.
  std::optional<std::pair<OrderId, std::uint32_t>> stopped_by(LogIndex command) const;
  // From a placement until it ran, by those that ended; the mean.
  Duration start_takes() const;
  // Nodes' faults that only the lease itself shows, which a model cannot repeat.
  std::uint64_t faults() const { return faults_; }

 private:
  void see_ended(const v1::LeaseEnded& ended, const core::Machine& machine);

  struct Known {
    bool ended = false;  // by itself, after `run`
    Run run;
  };
  std::map<std::pair<OrderId, std::uint32_t>, Known> runs_;  // of tasks that had a lease
  std::map<LogIndex, std::pair<OrderId, std::uint32_t>> stopped_;
  Wide ran_us_ = 0, limits_us_ = 0;  // of those that ended by themselves
  Wide starts_us_ = 0;
  std::int64_t starts_ = 0;
  std::uint64_t faults_ = 0;
};

}  // namespace fallow::sim
