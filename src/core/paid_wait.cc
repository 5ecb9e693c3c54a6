#include "core/paid_wait.h"

#include <algorithm>
#include <limits>

#include "core/placement.h"

namespace fallow::core {
namespace {

// What the order would have paid for a whole device: what it paid, raised as far as it allows. So a
// discount and disk are what they were here.
Micros device_hour_max(const Order& order, const Lease& lease) {
  const Matcher matcher(order.demand);
  Micros most = matcher.device_hour_max();
  if (lease.rate_hour.value > 0) {
    const Wide raised =
        Wide{lease.device_hour.value} * matcher.rate_hour_max().value / lease.rate_hour.value;
    most = Micros(static_cast<std::int64_t>(std::min<Wide>(raised, most.value)));
  }
  return most.value == std::numeric_limits<std::int64_t>::max() ? Micros(0) : most;
}

}  // namespace

std::optional<v1::PaidWait> paid_wait(const MarketState& state, const Lease& lease,
                                      const Ending& ending) {
  const Order& order = *state.orders.find(lease.order);
  if (lease.attempt != 1 || lease.spot || order.deadline.us != 0 || ending.refund) {
    return std::nullopt;
  }
  const Duration waited =
      std::min(lease.placed_at - order.created_at, std::min(lease.proven, lease.time_max));
  const PriceIndex* const index = state.nodes.find(lease.node)->counted.index;
  if (waited < kPaidWaitMin || lease.charged.value == 0 || index == nullptr) return std::nullopt;
  v1::PaidWait wait;
  wait.set_model(index->key.model);
  wait.set_region(index->key.region);
  wait.set_thousandths(std::uint64_t{lease.device_thousandths} * lease.devices.size());
  wait.set_from_us((lease.placed_at - waited).us);
  wait.set_until_us(lease.placed_at.us);
  wait.set_device_hour_micros_max(device_hour_max(order, lease).value);
  return wait;
}

}  // namespace fallow::core
