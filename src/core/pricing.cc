#include "core/pricing.h"

#include <algorithm>

#include "base/money.h"
#include "core/egress.h"
#include "core/reservation.h"
#include "core/spot.h"

namespace fallow::core {
namespace {

// Nodes that a first wave is looked for on: a larger one is priced by its first this many.
constexpr std::size_t kWaveNodesMax = 1'024;
// And so many gangs; the others are priced as these.
constexpr std::size_t kWaveGangsMax = 4;

// What the tasks that could start now would take, and the dearest of it; of what they send, too.
struct Wave {
  std::vector<Placement> offers;
  std::uint32_t tasks = 0;
  Placement dearest;
  Micros egress_gb;

  void take(const Placement& placement, std::uint32_t count) {
    egress_gb = std::max(egress_gb, placement.egress_gb);
    if (offers.empty() || placement.rate_hour > dearest.rate_hour) dearest = placement;
    tasks += count;
    if (offers.size() < kEstimateOffersMax) offers.push_back(placement);
  }
};

Wave first_wave(const MarketState& state, const Demand& demand, std::uint32_t tasks) {
  Wave wave;
  const std::size_t nodes_max = std::min<std::size_t>(tasks, kWaveNodesMax);
  for (const Placement& placement : state.book->list(demand, true, nodes_max)) {
    const NodeId node = placement.node->id;
    if (takes_reserved(state, demand, node, OrderId())) continue;
    // What others leave of a reserved node is judged task by task.
    const bool kept = is_kept(state, demand, node, OrderId());
    const std::uint32_t most = kept ? 1 : tasks - wave.tasks;
    const std::uint32_t fits = tasks_that_fit(demand, *placement.node, most);
    if (fits == 0) continue;
    wave.take(placement, fits);
    if (wave.tasks >= tasks) break;
  }
  return wave;
}

// Gangs that could start now beside each other, each on nodes of its own.
Wave first_gangs(const MarketState& state, const Demand& demand, std::uint32_t tasks) {
  Wave wave;
  Demand next = demand;
  std::vector<NodeId> taken;
  for (std::size_t gangs = 0; wave.tasks < tasks && gangs < kWaveGangsMax; ++gangs) {
    const std::vector<Placement> gang = match_gang_around(state, next, OrderId(), taken);
    if (gang.empty()) break;
    for (const Placement& placement : gang) {
      wave.take(placement, 1);
      taken.push_back(placement.node->id);
    }
  }
  return wave;
}

Wave wave_of(const MarketState& state, const Demand& demand, std::uint32_t tasks) {
  const std::uint32_t nodes = nodes_of(demand.requirements);
  Wave wave = nodes > 1 ? first_gangs(state, demand, tasks) : first_wave(state, demand, tasks);
  if (wave.tasks > 0) return wave;
  // Nothing is free: the price of the best that could become free.
  Demand later = demand;
  later.at_floor = true;
  const std::vector<Placement> best = state.book->list(later, false, nodes);
  if (best.size() < nodes) return wave;
  for (const Placement& placement : best) wave.take(placement, 0);
  return wave;
}

// Would it match, now or later, if it said how much it sends?
bool lacks_only_egress(const MarketState& state, const Demand& demand) {
  const v1::Requirements& wanted = demand.requirements;
  if (wanted.network() != v1::EGRESS || wanted.egress_mb_max() > 0) return false;
  if (state.book->possible(demand)) return false;
  Demand paying = demand;
  paying.requirements.set_egress_mb_max(1);
  return state.book->possible(paying);
}

}  // namespace

std::optional<Refusal> check_tasks(std::uint32_t tasks, const v1::Requirements& requirements,
                                   const Limits& limits) {
  if (tasks < 1 || tasks > limits.tasks_per_order_max) {
    return refusal(v1::VALUE_INVALID, "tasks", "{} tasks: 1 to {} are accepted", tasks,
                   limits.tasks_per_order_max);
  }
  const std::uint32_t nodes = nodes_of(requirements);
  if (tasks % nodes == 0) return std::nullopt;
  return refusal(v1::VALUE_INVALID, "tasks",
                 "{} tasks make no whole gangs of {}: ask for a multiple", tasks, nodes);
}

Refusal no_match(const MarketState& state, const Demand& demand, bool under_quote) {
  Refusal why = under_quote
                    ? refusal(v1::QUOTE_GONE, "quote",
                              "the offers behind the quote are gone: ask for a new quote")
                    : refusal(v1::NO_MATCH, "requirements", "no offer meets the requirements now");
  why.relaxations = state.book->relaxations(demand);
  if (lacks_only_egress(state, demand)) {
    why.message += "; offers that charge for what a task sends would do: say how much it may send";
  }
  return why;
}

tl::expected<Estimate, Refusal> estimate_of(const MarketState& state, const Demand& demand,
                                            std::uint32_t tasks, Time now) {
  if (demand.requirements.tier() == v1::SPOT && !offers_spot(state.policy)) {
    return tl::unexpected(refusal(v1::TIER_NOT_OFFERED, "requirements.tier",
                                  "this market has no intervals, so it cannot price spot"));
  }
  Wave wave = wave_of(state, demand, tasks);
  if (wave.offers.empty()) return tl::unexpected(no_match(state, demand, false));
  const v1::Requirements& wanted = demand.requirements;
  // To spot prices change while it runs: what binds is its bid.
  const bool spot = wanted.tier() == v1::SPOT;
  const Micros now_hour = wave.dearest.rate_hour;
  const Micros task_hour = spot ? Micros(wanted.price_per_hour_micros_max()) : now_hour;
  const Micros task_total = price_of(task_hour, Duration(wanted.duration_us()));
  const bool pays_egress = egress_bytes_max(wanted) > 0;
  const Micros task_egress = price_of_bytes(wave.egress_gb, egress_bytes_max(wanted));
  const Wide total = (Wide{task_total.value} + task_egress.value) * tasks;
  // The rate, too: an order for a moment may cost little at a price that nothing else could hold.
  if (total > state.limits.money_max.value || task_hour > state.limits.money_max) {
    return tl::unexpected(
        refusal(v1::VALUE_INVALID, "tasks",
                "the order, or an hour of a task, would cost more than {}: ask for "
                "less time, fewer tasks, less to be sent or a cheaper offer",
                format_money(state.limits.money_max)));
  }
  Estimate estimate;
  v1::BoundQuote& quote = estimate.quote;
  quote.set_issued_at_us(now.us);
  quote.set_expires_at_us((now + Duration(state.policy.quote_ttl_us())).us);
  quote.set_task_hour_micros(task_hour.value);
  quote.set_total_micros(static_cast<std::int64_t>(total));
  quote.set_tasks(tasks);
  *quote.mutable_requirements() = wanted;
  if (pays_egress) quote.set_egress_gb_micros(wave.egress_gb.value);
  v1::Requirements without_disk = wanted;
  without_disk.set_disk_mb(0);
  estimate.gpu_hour = rate_of(without_disk, wave.dearest.device_hour, Micros(0));
  estimate.disk_hour = now_hour - estimate.gpu_hour;
  if (wanted.tier() == v1::RESERVED) {
    estimate.discount_hour =
        rate_of(without_disk, wave.dearest.list_hour, Micros(0)) - estimate.gpu_hour;
  }
  estimate.fee_hour = fraction_of(now_hour, state.policy.fee_basis_points(), kBasisPoints);
  estimate.egress = Micros(task_egress.value * tasks);
  estimate.tasks_at_once = wave.tasks;
  estimate.offers = std::move(wave.offers);
  return estimate;
}

}  // namespace fallow::core
