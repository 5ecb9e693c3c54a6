#include "sim/spot_run.h"

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>
#include <vector>

#include "base/check.h"
#include "base/money.h"

namespace fallow::sim {
namespace {

using core::RunMode;

std::size_t looks_until(Duration time, Duration gap) {
  return static_cast<std::size_t>((time.value + gap.value - 1) / gap.value);
}

void check_job(const SpotTrace& trace, const SpotJob& job) {
  FALLOW_CHECK(job.begin + looks_until(job.deadline, trace.gap) <= trace.available.size(),
               "the job at {} is longer than {}", job.begin, trace.name);
}

// Costs by mode for every amount of slack used; kNever where it cannot be.
constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max() / 4;
using Modes = std::array<std::int64_t, 3>;
using Layer = std::vector<Modes>;
constexpr std::size_t kWaitingMode = 0, kSpotMode = 1, kOnDemandMode = 2;

class Optimum {
 public:
  Optimum(const SpotTrace& trace, const SpotJob& job, Micros paid)
      : trace_(trace),
        job_(job),
        unit_(std::gcd(trace.gap.value, std::max<std::int64_t>(job.restart.value, 0))),
        looks_(static_cast<std::size_t>(job.deadline.value / trace.gap.value)),
        restart_looks_(std::max<std::size_t>(1, looks_until(job.restart, trace.gap))),
        slack_max_((job.deadline - job.work).value / unit_),
        layers_(restart_looks_ + 1,
                Layer(static_cast<std::size_t>(slack_max_ + 1), Modes{kNever, kNever, kNever})) {
    for (std::size_t look = 0; look <= looks_ + restart_looks_; ++look) {
      const std::size_t at = std::min(job.begin + look, trace.spot_hour.size() - 1);
      spot_look_.push_back(price_of(trace.spot_hour[at], trace.gap).value);
      cheapest_ = std::min(cheapest_, trace.spot_hour[at]);
    }
    spot_to_come_.assign(looks_ + 2, Duration());
    for (std::size_t look = looks_ + 1; look-- > 0;) {
      spot_to_come_[look] = spot_to_come_[look + 1] + (has_spot(look) ? trace.gap : Duration());
    }
    best_ = paid.value;
  }

  Micros run() {
    layers_[0][0][kWaitingMode] = 0;
    for (std::size_t look = 0; look <= looks_; ++look) {
      Layer& layer = layers_[look % layers_.size()];
      const std::int64_t reached =
          std::min(slack_max_, static_cast<std::int64_t>(look) * trace_.gap.value / unit_);
      for (std::int64_t slack = 0; slack <= reached; ++slack) {
        Modes& costs = layer[static_cast<std::size_t>(slack)];
        for (std::size_t mode = 0; mode < costs.size(); ++mode) {
          if (costs[mode] < best_ && costs[mode] + still(look, slack) < best_) {
            go_on(look, slack, mode, costs[mode]);
          }
        }
        costs = Modes{kNever, kNever, kNever};
      }
    }
    return Micros(best_);
  }

 private:
  std::int64_t price(std::size_t look, std::size_t mode, std::int64_t time_us) const {
    if (time_us == trace_.gap.value) return mode == kSpotMode ? spot_look_[look] : on_demand_look_;
    const std::size_t at = std::min(job_.begin + look, trace_.spot_hour.size() - 1);
    return price_of(mode == kSpotMode ? trace_.spot_hour[at] : job_.on_demand_hour,
                    Duration(time_us))
        .value;
  }
  bool has_spot(std::size_t look) const {
    const std::size_t at = job_.begin + look;
    return at < trace_.available.size() && trace_.available[at];
  }

  // No less is to be paid from here on: all spot that is to come is used, without a restart. Of a
  // look's price the fraction of a micro is dropped.
  std::int64_t still(std::size_t look, std::int64_t slack) const {
    const std::int64_t left =
        job_.work.value + slack * unit_ - static_cast<std::int64_t>(look) * trace_.gap.value;
    const std::int64_t on_spot = std::min(left, spot_to_come_[look].value);
    const double least =
        (static_cast<double>(on_spot) * static_cast<double>(cheapest_.value) +
         static_cast<double>(left - on_spot) * static_cast<double>(job_.on_demand_hour.value)) /
        static_cast<double>(kHour.value);
    return static_cast<std::int64_t>(least * (1 - 1e-9)) -
           static_cast<std::int64_t>(looks_ - look + 2);
  }

  void go_on(std::size_t look, std::int64_t slack, std::size_t mode, std::int64_t cost) {
    reach(look, 1, slack + trace_.gap.value / unit_, kWaitingMode, cost);
    for (const std::size_t next : {kSpotMode, kOnDemandMode}) {
      const bool begins = next != mode;
      const std::size_t looks = begins ? restart_looks_ : 1;
      bool there = true;
      for (std::size_t i = 0; next == kSpotMode && i < looks; ++i) {
        there = there && has_spot(look + i);
      }
      if (there) reach(look, looks, slack + (begins ? job_.restart.value / unit_ : 0), next, cost);
    }
  }

  // Spends `looks` in `mode`. Work is what is not slack; a job that is done ends within a look.
  void reach(std::size_t from, std::size_t looks, std::int64_t slack, std::size_t mode,
             std::int64_t cost) {
    if (slack > slack_max_) return;
    for (std::size_t look = from; look < from + looks; ++look) {
      const std::int64_t end = static_cast<std::int64_t>(look + 1) * trace_.gap.value;
      if (mode == kWaitingMode) continue;
      const std::int64_t left = job_.work.value + slack * unit_ - (end - trace_.gap.value);
      const std::int64_t used = std::min(trace_.gap.value, left);
      cost += price(look, mode, used);
      if (left <= trace_.gap.value) {
        best_ = std::min(best_, cost);
        return;
      }
    }
    if (from + looks > looks_) return;
    std::int64_t& known =
        layers_[(from + looks) % layers_.size()][static_cast<std::size_t>(slack)][mode];
    known = std::min(known, cost);
  }

  const SpotTrace& trace_;
  const SpotJob& job_;
  const std::int64_t unit_;  // of slack
  const std::size_t looks_;
  const std::size_t restart_looks_;
  const std::int64_t slack_max_;
  const std::int64_t on_demand_look_ = price_of(job_.on_demand_hour, trace_.gap).value;
  std::vector<std::int64_t> spot_look_;  // price of each
  std::vector<Duration> spot_to_come_;   // from each on
  Micros cheapest_ = job_.on_demand_hour;
  std::vector<Layer> layers_;  // by look, modulo their number
  std::int64_t best_ = 0;
};

}  // namespace

SpotRun run_spot_job(const SpotTrace& trace, const SpotJob& job, SpotPolicy& policy) {
  check_job(trace, job);
  SpotRun run;
  core::DeadlineState state;
  state.work_left = job.work;
  state.restart = job.restart;
  state.step = trace.gap;
  state.on_demand_hour = job.on_demand_hour;
  for (std::size_t look = job.begin; run.took < job.deadline; ++look) {
    state.time_left = job.deadline - run.took;
    state.spot_available = trace.available[look];
    state.spot_hour = trace.spot_hour[look];
    if (state.mode == RunMode::kSpot && !state.spot_available) state.mode = RunMode::kWaiting;
    const RunMode chosen = policy.choose(state, run.took);
    FALLOW_CHECK(chosen != RunMode::kSpot || state.spot_available, "chose spot where none is");
    if (chosen != state.mode) {
      state.mode = chosen;
      state.restart_left = job.restart;
      if (chosen != RunMode::kWaiting) ++run.starts;
    }
    Duration time = std::min(trace.gap, state.time_left);
    if (chosen != RunMode::kWaiting) {
      time = std::min(time, state.restart_left + state.work_left);
      const Duration restarting = std::min(time, state.restart_left);
      state.restart_left -= restarting;
      state.work_left -= time - restarting;
      const bool spot = chosen == RunMode::kSpot;
      run.cost += price_of(spot ? state.spot_hour : job.on_demand_hour, time);
      (spot ? run.spot : run.on_demand) += time;
    }
    run.took += time;
    if (state.work_left.value > 0) continue;
    run.in_time = true;
    break;
  }
  return run;
}

Micros least_cost(const SpotTrace& trace, const SpotJob& job, Micros paid) {
  check_job(trace, job);
  return Optimum(trace, job, paid).run();
}

}  // namespace fallow::sim
