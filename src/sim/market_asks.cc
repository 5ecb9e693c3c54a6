#include "sim/market_asks.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/money.h"
#include "core/deadline_policy.h"
#include "core/query.h"
#include "core/speed.h"

namespace fallow::sim {
namespace {

std::string models_predicate(std::vector<std::string> models) {
  core::Predicate predicate;
  predicate.field = core::Field::kGpuName;
  predicate.op = core::Operator::kIn;
  predicate.words = std::move(models);
  return core::text_of(predicate);
}

// What a task of it would be quoted at on demand, or the least that can be bid.
Micros quoted_hour(v1::Requirements wanted, Time now, const core::Machine& machine) {
  wanted.set_tier(v1::ON_DEMAND);
  const auto estimate = machine.estimate(wanted, 1, now);
  return estimate ? Micros(estimate->quote.task_hour_micros()) : Micros(1);
}

}  // namespace

Duration time_on(Duration reference, std::int64_t speed) {
  return Duration((reference.value / speed + 1) * core::kSpeedUnit);
}

Time deadline_of(const Job& job, const MarketRules& rules) {
  return job.arrival +
         Duration(static_cast<std::int64_t>(static_cast<double>(job.running.value) *
                                            rules.deadline_ratio)) +
         minutes(rules.start_minutes);
}

MarketAsks::MarketAsks(const MarketRules& rules, const MarketFleet& fleet)
    : rules_(rules),
      slowest_(fleet.slowest()),
      fast_(std::min(core::kSpeedUnit, fleet.fastest())),
      fast_models_(models_predicate(fleet.models_from(fast_))) {}

// What a lost run repeats counts as part of it.
Duration MarketAsks::restart() const {
  return minutes(rules_.checkpoint_minutes) + minutes(rules_.start_minutes);
}

// Whatever is cheapest, or a host that does not go away with its owner?
bool MarketAsks::wants_verified(const Job& job, const Piece& piece, Time now) const {
  if (rules_.policy != MarketPolicy::kFallow) return rules_.policy == MarketPolicy::kOnDemand;
  core::DeadlineState state;
  state.time_left = deadline_of(job, rules_) - now;
  state.work_left = piece.left;
  state.restart = restart();
  state.step = minutes(rules_.checkpoint_minutes);
  state.spot_available = true;
  state.on_demand_hour = Micros(1);  // only which of them is the cheaper matters here
  return core::choose_run(state, {}) == core::RunMode::kOnDemand;
}

v1::SubmitOrder MarketAsks::order(const Job& job, const Piece& piece, Time now,
                                  const core::Machine& machine) const {
  const bool verified = wants_verified(job, piece, now);
  const Duration fast_time = time_on(piece.left, fast_);
  const Duration until = deadline_of(job, rules_) - now;
  const bool fallow = rules_.policy == MarketPolicy::kFallow;
  const bool by_deadline =
      fallow && job.tier == v1::SPOT && !verified && until >= fast_time + restart();

  v1::SubmitOrder order;
  order.set_name("job");
  order.set_tasks(1);
  order.set_wait(true);
  order.set_attempts_max(1);  // preemptions apart
  order.mutable_workload()->add_command("train");
  v1::Requirements& wanted = *order.mutable_requirements();
  wanted.set_gpus(piece.gpus);
  wanted.set_objective(fallow ? v1::COST_TO_COMPLETE : v1::CHEAPEST);
  // As the trace's cluster had them: cards of 12 GB, and of 24 GB for what runs on several.
  std::string query = piece.gpus > 1 ? "gpu_ram>=24" : "gpu_ram>=12";
  if (verified) query += fmt::format(" region={}", kVerifiedRegion);
  // Who takes a term or names a deadline says how long it runs, so he names cards that he knows.
  const bool timed = by_deadline || job.tier == v1::RESERVED;
  if (timed) query += " " + fast_models_;
  wanted.set_query(query);
  wanted.set_duration_us(std::min(kYear, timed ? fast_time : time_on(piece.left, slowest_)).value);
  wanted.set_tier(job.tier);
  if (by_deadline) {
    wanted.set_tier(v1::ON_DEMAND);
    order.set_deadline_after_us(std::min(until, kYear + kYear).value);
    order.set_restart_us(restart().value);
  } else if (fallow && job.tier == v1::SPOT) {
    wanted.set_tier(v1::ON_DEMAND);  // its deadline leaves nothing to choose
  } else if (job.tier == v1::SPOT) {
    const Micros bid = fraction_of(quoted_hour(wanted, now, machine), job.bid_pct, 100);
    wanted.set_price_per_hour_micros_max(std::max(Micros(1), bid).value);
  }
  return order;
}

}  // namespace fallow::sim
