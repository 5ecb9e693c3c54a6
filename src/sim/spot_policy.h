// The policies that the spot laboratory compares: on_demand only, greedy, Uniform Progress, and the
// market's own. What each does next, asked at every look of the trace.
//
// Greedy and Uniform Progress are those of "Can't Be Late: Optimizing Spot Instance Savings under
// Deadlines" (NSDI'24), times rounded to looks as its published simulator does.
#pragma once

#include <memory>
#include <string_view>

#include "core/deadline_policy.h"
#include "sim/spot_types.h"

namespace fallow::sim {

enum class SpotPolicyKind { kOnDemand, kGreedy, kUniformProgress, kFallow };
constexpr SpotPolicyKind kSpotPolicyKinds[] = {SpotPolicyKind::kOnDemand, SpotPolicyKind::kGreedy,
                                               SpotPolicyKind::kUniformProgress,
                                               SpotPolicyKind::kFallow};
constexpr std::size_t kSpotPolicies = 4;
// "on_demand", "greedy", "uniform_progress", "fallow".
std::string_view name_of(SpotPolicyKind kind);

class SpotPolicy {
 public:
  virtual ~SpotPolicy() = default;
  // `state` at `now`, counted from the job's beginning; asked in order of time.
  virtual core::RunMode choose(const core::DeadlineState& state, Duration now) = 0;
};

// One per job; the job outlives it. It learns of the trace what it is asked about, nothing else.
std::unique_ptr<SpotPolicy> make_spot_policy(SpotPolicyKind kind, const SpotJob& job);

}  // namespace fallow::sim
