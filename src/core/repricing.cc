#include "core/repricing.h"

#include <algorithm>

#include "core/offers.h"
#include "core/spot.h"

namespace fallow::core {
namespace {

Time end_after(Time now, std::int64_t interval_us) {
  return Time{(now.us / interval_us + 1) * interval_us};
}

void tell_index(Step& step, const PriceIndex& index) {
  v1::PriceMoved& told = *step.tell().mutable_price_moved();
  told.set_model(index.key.model);
  told.set_region(index.key.region);
  told.set_open_micros(index.open.value);
  told.set_close_micros(index.value.value);
  told.set_low_micros(index.low.value);
  told.set_high_micros(index.high.value);
  told.set_mean_micros(index.mean.value);
  told.set_trades(index.trades);
  told.set_traded_thousandths(index.traded_thousandths);
  told.set_use_basis_points(index.use_basis_points());
  told.set_offered_thousandths(index.offered_thousandths);
  told.set_began_at_us(index.began_at.us);
  told.set_offered_ms(index.offered_ms);
  told.set_leased_ms(index.leased_ms);
  if (index.is_expected(step.now) && step.state.policy.forecast_basis_points() > 0) {
    told.set_expected_use_basis_points(index.expected_use_basis_points);
  }
}

void close_interval(Step& step) {
  MarketState& state = step.state;
  const v1::Policy& policy = state.policy;
  const IndexRules rules{policy.price_step_basis_points(), policy.use_target_basis_points(),
                         state.limits.price_hour_max, policy.forecast_basis_points()};
  state.indexes.close_interval(step.now, rules,
                               [&](const PriceIndex& index) { tell_index(step, index); });
  close_spot_interval(step);
  state.interval_end = end_after(step.now, policy.price_interval_us());
  // What was left of the interval before follows the newer index now.
  state.reprice_after = state.followers.empty() ? std::nullopt : std::optional(NodeId());
}

}  // namespace

bool keeps_index(const v1::Policy& policy) { return policy.price_interval_us() > 0; }

std::optional<Time> interval_end(const MarketState& state) {
  if (!keeps_index(state.policy) || state.indexes.empty()) return std::nullopt;
  return state.interval_end;
}

void restart_interval(MarketState& state) {
  state.interval_end =
      keeps_index(state.policy) ? end_after(state.now, state.policy.price_interval_us()) : Time{};
}

void place_in_class(MarketState& state, Node& node) {
  const bool first = state.indexes.empty();
  const PriceIndex* const before = node.counted.index;
  const bool stays = !node.removed && before != nullptr && before->key == price_class_of(node);
  if (!stays) leave_spot_class(state, node);  // a class without nodes is forgotten
  state.indexes.place(node, state.now);
  if (!stays) enter_spot_class(state, node);
  if (first) restart_interval(state);
}

bool repricing_pending(const MarketState& state) { return state.reprice_after.has_value(); }

void reprice(Step& step) {
  MarketState& state = step.state;
  const auto end = interval_end(state);
  if (end && *end <= step.now) close_interval(step);
  for (std::size_t n = 0; n < state.limits.repricings_per_command_max; ++n) {
    if (!state.reprice_after) return;
    const auto next = state.followers.upper_bound(*state.reprice_after);
    if (next == state.followers.end()) {
      state.reprice_after.reset();
      return;
    }
    state.reprice_after = *next;
    Node& node = *state.nodes.find(*next);
    const Offer& offer = node.offer;
    // What quotes keep from rising follows in the next interval.
    (void)change_price(step, node,
                       price_within(node, offer.floor, offer.ceiling, offer.device_hour),
                       offer.disk_gb_hour);
  }
}

Micros price_within(const Node& node, Micros floor, Micros ceiling, Micros asked) {
  const PriceIndex* const index = node.counted.index;
  const bool known = index != nullptr && index->value.value > 0;
  return std::clamp(known ? index->value : asked, floor, ceiling);
}

}  // namespace fallow::core
