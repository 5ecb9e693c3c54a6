#include "core/deadline_policy.h"

#include <algorithm>
#include <array>

#include "base/check.h"

namespace fallow::core {
namespace {

// Probabilities, in parts of this.
constexpr std::int64_t kOne = std::int64_t{1} << 30;

// The slack is planned to shrink a half faster than the time left: what is known later is worth
// something, so on_demand comes rather late than early, but never so late that nothing is left to
// go back to spot with. As planned anew at every question, slack ~ (time left) ^ (3/2).
constexpr std::int64_t kAheadParts = 3;
constexpr std::int64_t kAheadWhole = 2;

// Prices of slack: 2^-12 to 2^12 times on_demand's, four to an octave.
constexpr int kPricesPerOctave = 4;
constexpr int kPriceSteps = 24 * kPricesPerOctave;
Micros slack_price(Micros on_demand_hour, int step) {
  const Wide mantissa = kPricesPerOctave + step % kPricesPerOctave;
  const Wide scaled = (Wide{on_demand_hour.value} * mantissa << (step / kPricesPerOctave)) /
                      (kPricesPerOctave << 12);
  return Micros(static_cast<std::int64_t>(scaled));
}

// The odds of one state's length.
class Lifetime {
 public:
  explicit Lifetime(const Hazards& hazards) : hazards_(hazards) {
    std::int64_t alive = kOne;
    for (std::size_t i = 0; i < kAgeBuckets; ++i) {
      alive_[i] = alive;
      mean_[i] = i == 0 ? Duration() : mean_[i - 1] + gained(i - 1);
      alive = i + 1 < kAgeBuckets ? alive - ended(i) : 0;
    }
    mean_all_ = mean_[kAgeBuckets - 1] + gained(kAgeBuckets - 1);
  }

  // The first bucket from whose beginning on the state is likely to last: it ends there less often
  // than once in `limit_us`, and lasts longer in the mean. kAgeBuckets if there is none.
  std::size_t lasting(Wide limit_us) const {
    limit_us = std::min(limit_us, Wide{1} << 80);  // for ever, and no product overflows
    for (std::size_t i = 0; i < kAgeBuckets; ++i) {
      const Wide to_come = (mean_all_ - mean_[i]).value;
      if (Wide{hazards_[i].ends} * limit_us < hazards_[i].watched_us &&
          to_come * kOne > limit_us * alive_[i]) {
        return i;
      }
    }
    return kAgeBuckets;
  }
  // That it lasts until the bucket begins, in parts of kOne.
  std::int64_t lasts_to(std::size_t bucket) const {
    return bucket < kAgeBuckets ? alive_[bucket] : 0;
  }
  // The mean length, cut off where the bucket begins.
  Duration mean_to(std::size_t bucket) const {
    return bucket < kAgeBuckets ? mean_[bucket] : mean_all_;
  }

 private:
  // The share of all that ends within the bucket; the last one ends all.
  std::int64_t ended(std::size_t i) const {
    if (i + 1 == kAgeBuckets) return alive_[i];
    // (1 - x)^8 in place of e^-hx, with x = hazard * width / (8 + hazard * width): never negative.
    const Wide width = (age_from(i + 1) - age_from(i)).value;
    const Wide hit = width * hazards_[i].ends;
    const Wide lasting =
        Wide{kOne} * 8 * hazards_[i].watched_us / (Wide{8} * hazards_[i].watched_us + hit);
    Wide left = lasting;
    for (int n = 1; n < 8; ++n) left = left * lasting / kOne;
    return alive_[i] - static_cast<std::int64_t>(left * alive_[i] / kOne);
  }
  // What the bucket adds to the mean length: with a constant rate of ending, that is the share
  // that ends there times the mean time between ends.
  Duration gained(std::size_t i) const {
    return Duration(static_cast<std::int64_t>(Wide{ended(i)} * hazards_[i].watched_us /
                                              hazards_[i].ends / kOne));
  }

  const Hazards hazards_;
  std::array<std::int64_t, kAgeBuckets> alive_{};
  std::array<Duration, kAgeBuckets> mean_{};
  Duration mean_all_;
};

// What is best at a price of slack.
struct Plan {
  std::size_t give_up = 0;  // wait for spot until it is away this long (bucket), then on_demand
  std::size_t trust = 0;    // leave on_demand for spot once it is there this long (bucket)
  Duration slack_used;      // expected in one span without spot and one with it
};

// In micros. The dearest slack for the longest restart is more than Micros hold.
Wide cost_of(Micros per_hour, Duration time) {
  return Wide{per_hour.value} * time.value / kHour.value;
}

Wide share_of(Wide whole, std::int64_t odds) { return whole * odds / kOne; }
std::int64_t both(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(share_of(a, b));
}

class Planner {
 public:
  Planner(const DeadlineState& state, const SpotHistory& history)
      : state_(state), up_(history.hazards(true)), down_(history.hazards(false)) {}

  Plan at(Micros slack_hour) const {
    Plan plan;
    const Duration restart = state_.restart;
    // Waiting on is worth it while the odds that spot comes now save a start of on_demand.
    const Wide start_on_demand = cost_of(state_.on_demand_hour + slack_hour, restart);
    plan.give_up = slack_hour.value == 0
                       ? kAgeBuckets
                       : down_.lasting(start_on_demand * kHour.value / slack_hour.value);
    const std::int64_t to_on_demand = down_.lasts_to(plan.give_up);
    const Duration waited = down_.mean_to(plan.give_up);
    const Wide without = cost_of(slack_hour, waited) + share_of(start_on_demand, to_on_demand);
    // Leaving on_demand is worth it while what spot saves outweighs the odds that it ends now:
    // then its start was for nothing, and a span without it follows.
    const Wide lost = cost_of(state_.spot_hour + slack_hour, restart) + without;
    plan.trust = up_.lasting(lost * kHour.value / (state_.on_demand_hour - state_.spot_hour).value);
    const std::int64_t to_spot = up_.lasts_to(plan.trust);
    // A span without spot begins from spot or, with the odds of `from_on_demand`, from on_demand.
    const std::int64_t stays = both(to_on_demand, kOne - to_spot);
    const std::int64_t from_spot =
        to_spot + stays == 0 ? 0
                             : static_cast<std::int64_t>(Wide{to_spot} * kOne / (to_spot + stays));
    const std::int64_t on_demand_when_it_comes = kOne - from_spot + both(from_spot, to_on_demand);
    const std::int64_t starts = from_spot + both(on_demand_when_it_comes, to_spot);
    plan.slack_used = Duration(static_cast<std::int64_t>(share_of(waited.value, from_spot) +
                                                         share_of(restart.value, starts)));
    return plan;
  }

  // Does a plan's use of slack, for all the time left, fit `slack`?
  bool fits(const Plan& plan, Duration slack) const {
    const Wide used = Wide{plan.slack_used.value} * state_.time_left.value;
    const Wide cycle = (up_.mean_to(kAgeBuckets) + down_.mean_to(kAgeBuckets)).value;
    return used * kAheadWhole <= Wide{slack.value} * kAheadParts * cycle;
  }

  // At the lowest price whose plan fits; at the highest one where none does.
  Plan fitting(Duration slack) const {
    int too_low = -1;
    int enough = kPriceSteps;
    while (enough - too_low > 1) {
      const int step = (too_low + enough) / 2;
      (fits(at(slack_price(state_.on_demand_hour, step)), slack) ? enough : too_low) = step;
    }
    if (enough == 0) {
      const Plan free = at(Micros(0));
      if (fits(free, slack)) return free;
    }
    return at(slack_price(state_.on_demand_hour, enough));
  }

 private:
  const DeadlineState& state_;
  const Lifetime up_;
  const Lifetime down_;
};

}  // namespace

RunMode choose_run(const DeadlineState& state, const SpotHistory& history) {
  FALLOW_CHECK(state.step.value > 0 && state.restart.value >= 0 && state.work_left.value >= 0,
               "step {}, restart {}, work left {}", state.step.value, state.restart.value,
               state.work_left.value);
  const Duration slack = state.time_left - state.work_left;
  const bool in_time = slack >= state.restart;  // if on_demand started now
  if (state.mode == RunMode::kSpot && state.spot_available) {
    // Once it works it does so as fast as on_demand: even without slack nothing is lost by staying.
    // It is left where its restart, or its price for all the work left, would cost more.
    const bool safe = state.restart_left.value == 0 || slack >= state.restart + state.restart_left;
    const bool dear = cost_of(state.spot_hour, state.work_left) >
                      cost_of(state.on_demand_hour, state.work_left + state.restart);
    return in_time && (!safe || dear) ? RunMode::kOnDemand : RunMode::kSpot;
  }
  const bool cheaper = state.spot_hour < state.on_demand_hour;
  const bool on_demand = state.mode == RunMode::kOnDemand;
  if (state.spot_available && cheaper) {
    // The start may be for nothing; on_demand must then still be in time.
    if (slack < state.restart + state.restart) return RunMode::kOnDemand;
    if (!on_demand) return RunMode::kSpot;
  } else if (on_demand || !cheaper || slack < state.restart + state.step) {
    return RunMode::kOnDemand;
  }

  if (!state.spot_available) {
    // What is left of the slack that may be waited away when that hour begins.
    const Duration left = slack - state.restart - state.step - state.outlook_from;
    if (state.outlook == SpotOutlook::kComes && left.value >= 0) return RunMode::kWaiting;
    if (state.outlook == SpotOutlook::kStaysAway && left < kHour) return RunMode::kOnDemand;
  }
  const Planner planner(state, history);
  const Plan plan = planner.fitting(std::max(Duration(), slack - state.restart - state.step));
  const std::size_t bucket = bucket_of(state.spot_age);
  if (state.spot_available) return bucket >= plan.trust ? RunMode::kSpot : RunMode::kOnDemand;
  return bucket >= plan.give_up ? RunMode::kOnDemand : RunMode::kWaiting;
}

}  // namespace fallow::core
