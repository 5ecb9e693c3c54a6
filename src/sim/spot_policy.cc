#include "sim/spot_policy.h"

#include "base/check.h"

namespace fallow::sim {
namespace {

using core::DeadlineState;
using core::RunMode;

Duration looks_down(Duration time, Duration step) {
  return Duration(time.value / step.value * step.value);
}
Duration looks_up(Duration time, Duration step) {
  return looks_down(time + step - Duration(1), step);
}

// Not even a start of on_demand may wait any longer.
bool last_call(const DeadlineState& state, int restarts) {
  const Duration needed = state.work_left + Duration(restarts * state.restart.value);
  return looks_up(needed, state.step) >= looks_down(state.time_left, state.step);
}

// At the last call spot that works is kept, for it loses no time; anything else is on_demand.
RunMode at_last_call(const DeadlineState& state) {
  return state.mode == RunMode::kSpot && state.restart_left.value == 0 ? RunMode::kSpot
                                                                       : RunMode::kOnDemand;
}

class OnDemandOnly final : public SpotPolicy {
 public:
  RunMode choose(const DeadlineState&, Duration) override { return RunMode::kOnDemand; }
};

// Spot whenever there is any, else it waits; on_demand from the last call on.
class Greedy final : public SpotPolicy {
 public:
  RunMode choose(const DeadlineState& state, Duration) override {
    if (last_call(state, 1)) return at_last_call(state);
    return state.spot_available ? RunMode::kSpot : RunMode::kWaiting;
  }
};

// With c(t) the work done and e(t) = t * work / deadline the work due: without spot it waits while
// c(t) >= e(t), else it starts on_demand; spot is taken whenever there is any and kept until it is
// lost; on_demand is left for spot only once c(t) >= e(t + 2 restarts); and from two restarts
// before the last call on nothing is left or waited for.
class UniformProgress final : public SpotPolicy {
 public:
  explicit UniformProgress(const SpotJob& job) : job_(job) {}

  RunMode choose(const DeadlineState& state, Duration now) override {
    if (last_call(state, 1)) return at_last_call(state);
    if (last_call(state, 2) && state.mode != RunMode::kSpot) return RunMode::kOnDemand;
    if (state.mode == RunMode::kOnDemand) {
      const Duration ahead = now + state.restart + state.restart;
      return state.spot_available && is_due(state, ahead) ? RunMode::kSpot : RunMode::kOnDemand;
    }
    if (state.spot_available) return RunMode::kSpot;
    return is_due(state, now) ? RunMode::kWaiting : RunMode::kOnDemand;
  }

 private:
  // c >= e(at)
  bool is_due(const DeadlineState& state, Duration at) const {
    const Wide done = (job_.work - state.work_left).value;
    return done * job_.deadline.value >= Wide{at.value} * job_.work.value;
  }

  const SpotJob& job_;
};

class Fallow final : public SpotPolicy {
 public:
  RunMode choose(const DeadlineState& state, Duration now) override {
    const Time time{now.value};
    history_.note(state.spot_available, time);
    DeadlineState known = state;
    known.spot_age = history_.age(time);
    return core::choose_run(known, history_);
  }

 private:
  core::SpotHistory history_;
};

}  // namespace

std::string_view name_of(SpotPolicyKind kind) {
  switch (kind) {
    case SpotPolicyKind::kOnDemand:
      return "on_demand";
    case SpotPolicyKind::kGreedy:
      return "greedy";
    case SpotPolicyKind::kUniformProgress:
      return "uniform_progress";
    case SpotPolicyKind::kFallow:
      break;
  }
  return "fallow";
}

std::unique_ptr<SpotPolicy> make_spot_policy(SpotPolicyKind kind, const SpotJob& job) {
  switch (kind) {
    case SpotPolicyKind::kOnDemand:
      return std::make_unique<OnDemandOnly>();
    case SpotPolicyKind::kGreedy:
      return std::make_unique<Greedy>();
    case SpotPolicyKind::kUniformProgress:
      return std::make_unique<UniformProgress>(job);
    case SpotPolicyKind::kFallow:
      break;
  }
  return std::make_unique<Fallow>();
}

}  // namespace fallow::sim
