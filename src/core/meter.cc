#include "core/meter.h"

#include <algorithm>

#include "base/check.h"
#include "base/money.h"
#include "core/blame.h"
#include "core/deadlines.h"
#include "core/egress.h"
#include "core/leases.h"
#include "core/spot.h"

namespace fallow::core {
namespace {

// A node's clock may run ahead of the market's by no more than this since the lease was placed,
constexpr Duration kMeterSlack = seconds(5);
// and by one part in so many: twice the most that NTP slews a clock by.
constexpr std::int64_t kDriftParts = 1'000;

Order& order_of(MarketState& state, const Lease& lease) {
  Order* const order = state.orders.find(lease.order);
  FALLOW_CHECK(order != nullptr, "lease {} has no order", lease.id.value);
  return *order;
}

void charge(Step& step, Lease& lease) {
  const Bill bill = bill_of(lease);
  const Micros delta = bill.charged - lease.charged;
  const Micros fee_delta = bill.fee - lease.fee;
  if (delta.value == 0) return;
  const LedgerKey held{lease.renter, v1::HELD};
  step.move(held, {lease.provider, v1::PENDING}, delta - fee_delta, v1::CHARGED, lease.id);
  step.move(held, kMarketFee, fee_delta, v1::FEE, lease.id);
  Order& order = order_of(step.state, lease);
  order.charged += delta;
  order.held -= delta;
  order.assigned -= delta;
  lease.charged = bill.charged;
  lease.fee = bill.fee;
  step.state.fees_open += fee_delta;
}

}  // namespace

Duration time_for(Micros hold, Micros rate_hour) {
  FALLOW_CHECK(rate_hour.value > 0, "a rate of {} pays for every time", rate_hour.value);
  const Wide time = Wide{hold.value} * kHour.value / rate_hour.value;
  return Duration(static_cast<std::int64_t>(std::min<Wide>(time, kTimeUnbounded.value)));
}

Duration charged_time(const Lease& lease) { return std::min(lease.proven, lease.time_max); }

namespace {

Bill bill_for(const Lease& lease, Micros gross) {
  Bill bill;
  bill.gross = gross;
  const Micros whole_fee = fee_of(bill.gross, lease.fee_basis_points);
  bill.let_off = fee_of(whole_fee, lease.volume_basis_points);
  bill.charged = bill.gross - bill.let_off;
  bill.fee = whole_fee - bill.let_off;
  return bill;
}

Micros cost_of_time(const Lease& lease) {
  const Micros rate = std::max(lease.rate_hour, lease.rerated_hour);
  return std::min(lease.hold - egress_hold(lease),
                  lease.spot ? cost_of_runs(lease) : price_of(rate, charged_time(lease)));
}

}  // namespace

Bill bill_of(const Lease& lease) {
  return bill_for(lease, cost_of_time(lease) + egress_cost(lease));
}

Bill bill_of_time(const Lease& lease) { return bill_for(lease, cost_of_time(lease)); }

Micros rerated_hour(const Order& order, const Lease& lease, v1::EndReason reason) {
  const v1::Requirements& wanted = order.requirements;
  const Ending ending = ending_of(reason);
  const bool renters = ending.blame == v1::BLAME_NONE || ending.blame == v1::BLAME_RENTER;
  // A limit may be acted upon within a meter interval of the last proof: the term is over.
  if (wanted.tier() != v1::RESERVED || !renters || lease.cut_short || reason == v1::TIME_LIMIT) {
    return Micros(0);
  }
  const Bracket reached = bracket_of(lease.term_before + charged_time(lease));
  const Micros device_hour = discounted(lease.device_hour, discount_in(lease.discounts, reached));
  const Micros rate = rate_of(wanted, device_hour, lease.disk_gb_hour);
  return rate > lease.rate_hour ? rate : Micros(0);
}

void rerate(Step& step, Lease& lease, v1::EndReason reason) {
  lease.rerated_hour = rerated_hour(order_of(step.state, lease), lease, reason);
  charge(step, lease);
}

Micros fee_of(Micros charged, std::uint32_t basis_points) {
  return fraction_of(charged, basis_points, kBasisPoints);
}

v1::EndReason limit_reason(const MarketState& state, const Lease& lease) {
  const Order& order = *state.orders.find(lease.order);
  const Duration wanted =
      Duration(order.requirements.duration_us()) - order.tasks[lease.task].proven;
  return lease.time_max < wanted ? v1::FUNDS : v1::TIME_LIMIT;
}

Duration running_max(const MarketState& state, const Lease& lease, Time now) {
  const Duration placed = now - lease.placed_at;
  if (!state.policy.bounds_meters()) return placed + kMeterSlack;
  return placed + Duration(placed.value / kDriftParts) + lease.unseen - lease.idle + kMeterSlack;
}

void follow_idle(Lease& lease, v1::LeaseState state, Time former, Duration close_after, Time now) {
  const bool runs = state == v1::RUNNING;
  if (lease.idle_since.us == 0) {
    if (!runs) lease.idle_since = now;
    return;
  }
  // What it had just been at `former`, if not since.
  const Duration surely = former - lease.idle_since - close_after;
  if (surely.value > 0) {
    lease.idle += surely;
    lease.idle_since = lease.idle_since + surely;
  }
  if (runs) lease.idle_since = Time{};
}

Duration proven_max_at_stop(const MarketState& state, const Lease& lease, Time now) {
  Duration unheard = now - lease.heard_at;
  const LogIndex last_proof = std::max(lease.metered_index, lease.placed_index);
  if (last_proof < state.resumed_index) unheard += close_after(state, lease);
  return std::min(lease.proven + unheard + Duration(state.policy.meter_interval_us()),
                  kTimeUnbounded);
}

void count_unseen(Lease& lease, Duration close_after, Time now) {
  const Duration lost = std::max(close_after - (now - lease.heard_at), Duration(0));
  lease.unseen = std::min(lease.unseen + lost, kTimeUnbounded);
}

void accept_meter(Step& step, Lease& lease, const v1::MeterRecord& record) {
  if (!takes_meters(lease)) return;
  if (record.sequence() == 0 || record.sequence() != lease.meter_sequence + 1) return;
  const Duration running(record.running_us());
  if (running < lease.proven || running > running_max(step.state, lease, step.now)) return;
  if (lease.state == v1::STOPPING && running > lease.stop_proven_max) return;
  const Duration slowed(record.slowed_us());
  if (slowed < lease.slowed || slowed > running) return;
  if (record.egress_bytes() < lease.egress_bytes) return;

  if (lease.started_at.us == 0) {
    lease.started_at = std::max(lease.placed_at, step.now - running);
    set_deadline(step.state, lease);
  }
  lease.meter_sequence = record.sequence();
  lease.proven = running;
  lease.slowed = slowed;
  lease.egress_bytes = record.egress_bytes();
  lease.metered_index = step.index;
  if (lease.spot) extend_runs(step.state, lease);
  charge(step, lease);
  v1::MeterAccepted& told = *step.tell().mutable_meter_accepted();
  *told.mutable_record() = record;
  told.set_proven_us(lease.proven.value);
  told.set_charged_micros(lease.charged.value);
  if (!lease.runs.empty()) told.set_rate_hour_micros(lease.runs.back().rate_hour.value);
  if (lease.proven >= lease.time_max) stop_lease(step, lease, limit_reason(step.state, lease));
}

void take_back(Step& step, Lease& lease, Micros amount) {
  Order& order = order_of(step.state, lease);
  order.charged -= amount;
  order.held += amount;
  lease.refunded = amount;
}

Micros refund_from_provider(Step& step, Lease& lease) {
  const LedgerKey held{lease.renter, v1::HELD};
  step.move({lease.provider, v1::PENDING}, held, lease.charged - lease.fee, v1::REFUNDED, lease.id);
  step.move(kMarketFee, held, lease.fee, v1::FEE_RETURNED, lease.id);
  take_back(step, lease, lease.charged);
  lease.fee = Micros(0);
  return Micros(0);
}

Micros refund_from_market(Step& step, Lease& lease) {
  // What other open leases may have to give back is not the market's to spend.
  const Micros others = step.state.fees_open - lease.fee;
  const Micros own = step.state.ledger.balance(kMarketFee) - others;
  const Micros amount = std::min(lease.charged, own);
  const Micros earned = lease.charged - lease.fee;
  step.move(kMarketFee, {lease.renter, v1::HELD}, amount, v1::REFUNDED, lease.id);
  take_back(step, lease, amount);
  lease.fee -= amount;  // what the renter pays is always the provider's part and the market's
  return earned;
}

}  // namespace fallow::core
