#include "sim/trial_count.h"

#include "base/check.h"
#include "base/money.h"

namespace fallow::sim {

void TrialCount::see(const v1::Command& command, core::EventSpan events, Time now) {
  // First, so that what the order's own command places finds it.
  if (command.has_submit_order()) see_order(events, now);
  for (const v1::Event& event : events) see_event(event, now);
}

void TrialCount::see_order(core::EventSpan events, Time now) {
  TrialOrder& order = orders_.emplace_back();
  for (const v1::Event& event : events) {
    if (event.has_repeated()) order.repeated = true;
    if (event.has_refused()) order.refusal = event.refused().code();
    if (event.has_order_accepted()) {
      asked_.emplace(event.order_accepted().order(), Asked{orders_.size() - 1, now});
    }
  }
}

void TrialCount::see_event(const v1::Event& event, Time now) {
  if (event.has_transferred()) return see_transfer(event.transferred());
  if (event.has_lease_placed()) {
    ++leases_;
    const auto asked = asked_.find(event.lease_placed().order());
    if (asked == asked_.end()) return;
    TrialOrder& order = orders_[asked->second.number];
    if (order.placed_at.us != 0) return;
    order.placed_at = now;
    ++placed_;
    waited_us_ += (now - asked->second.at).value;
  } else if (event.has_lease_ended()) {
    const v1::LeaseEnded& ended = event.lease_ended();
    const bool others = ended.blame() == v1::BLAME_PROVIDER || ended.blame() == v1::BLAME_OWNER ||
                        ended.blame() == v1::BLAME_MARKET;
    if (ended.reason() == v1::PREEMPTED) {
      ++preempted_;
    } else if (others) {
      ++lost_;
    }
  } else if (event.has_task_changed()) {
    if (event.task_changed().state() == v1::DONE) ++done_;
    if (event.task_changed().state() == v1::FAILED) ++failed_;
  } else if (event.has_order_ended()) {
    // Soon the market will have forgotten it.
    const auto asked = asked_.find(event.order_ended().order());
    if (asked != asked_.end()) {
      orders_[asked->second.number].charged = event.order_ended().charged_micros();
      asked_.erase(asked);
    }
  }
}

void TrialCount::see_transfer(const v1::Transferred& transfer) {
  const std::int64_t amount = transfer.amount_micros();
  switch (transfer.reason()) {
    case v1::CHARGED:
      charged_ += amount;
      earned_ += amount;
      return;
    case v1::FEE:
      charged_ += amount;
      fee_ += amount;
      return;
    case v1::REFUNDED:
      refunded_ += amount;
      (transfer.from_kind() == v1::MARKET_FEE ? fee_ : earned_) -= amount;
      return;
    case v1::FEE_RETURNED:
      refunded_ += amount;
      fee_ -= amount;
      return;
    default:
      return;
  }
}

void TrialCount::finish(const core::Machine& machine) {
  waiting_ = machine.counts().orders_waiting;
  for (const auto& [id, asked] : asked_) {
    const core::Order* const order = machine.order(OrderId(id));
    if (order != nullptr) orders_[asked.number].charged = order->charged.value;
  }
  asked_.clear();
}

v1::TrialFigures TrialCount::figures() const {
  v1::TrialFigures figures;
  std::uint64_t repeated = 0, refused = 0;
  for (const TrialOrder& order : orders_) {
    repeated += order.repeated;
    refused += order.refusal != v1::REFUSAL_UNSPECIFIED;
  }
  figures.set_orders(orders_.size() - repeated);
  figures.set_orders_refused(refused);
  figures.set_orders_placed(placed_);
  figures.set_orders_waiting(waiting_);
  if (placed_ > 0) {
    figures.set_wait_seconds_mean(static_cast<double>(waited_us_) / 1e6 /
                                  static_cast<double>(placed_));
  }
  figures.set_leases(leases_);
  figures.set_leases_lost(lost_);
  figures.set_leases_preempted(preempted_);
  figures.set_tasks_done(done_);
  figures.set_tasks_failed(failed_);
  figures.set_charged(format_money(Micros(charged_)));
  figures.set_refunded(format_money(Micros(refunded_)));
  figures.set_fee(format_money(Micros(fee_)));
  figures.set_earned(format_money(Micros(earned_)));
  return figures;
}

v1::TrialDifference difference_of(const std::vector<TrialOrder>& now,
                                  const std::vector<TrialOrder>& tried) {
  FALLOW_CHECK(now.size() == tried.size(), "{} orders are not {}", now.size(), tried.size());
  const auto refused = [](const TrialOrder& order) {
    return order.refusal != v1::REFUSAL_UNSPECIFIED;
  };
  std::uint64_t refused_now = 0, refused_tried = 0, placed_now = 0, placed_tried = 0, sooner = 0,
                later = 0, cheaper = 0, dearer = 0;
  for (std::size_t i = 0; i < now.size(); ++i) {
    const TrialOrder& a = now[i];
    const TrialOrder& b = tried[i];
    // Accepted and asked for again by one, refused and asked for again by the other.
    if (a.repeated || b.repeated) continue;
    refused_now += refused(a) && !refused(b);
    refused_tried += refused(b) && !refused(a);
    placed_now += a.placed_at.us != 0 && b.placed_at.us == 0;
    placed_tried += b.placed_at.us != 0 && a.placed_at.us == 0;
    const bool both_placed = a.placed_at.us != 0 && b.placed_at.us != 0;
    sooner += both_placed && b.placed_at < a.placed_at;
    later += both_placed && a.placed_at < b.placed_at;
    if (refused(a) || refused(b)) continue;
    cheaper += b.charged < a.charged;
    dearer += a.charged < b.charged;
  }
  v1::TrialDifference difference;
  difference.set_orders_refused_only_now(refused_now);
  difference.set_orders_refused_only_tried(refused_tried);
  difference.set_orders_placed_only_now(placed_now);
  difference.set_orders_placed_only_tried(placed_tried);
  difference.set_orders_sooner(sooner);
  difference.set_orders_later(later);
  difference.set_orders_cheaper(cheaper);
  difference.set_orders_dearer(dearer);
  return difference;
}

std::vector<v1::TrialRefusal> refusals_of(const std::vector<TrialOrder>& now,
                                          const std::vector<TrialOrder>& tried) {
  std::map<v1::Refusal, v1::TrialRefusal> by_code;
  for (const TrialOrder& order : now) {
    v1::TrialRefusal& told = by_code[order.refusal];
    told.set_orders_now(told.orders_now() + 1);
  }
  for (const TrialOrder& order : tried) {
    v1::TrialRefusal& told = by_code[order.refusal];
    told.set_orders_tried(told.orders_tried() + 1);
  }
  by_code.erase(v1::REFUSAL_UNSPECIFIED);
  std::vector<v1::TrialRefusal> refusals;
  for (auto& [code, told] : by_code) {
    told.set_code(code);
    refusals.push_back(told);
  }
  return refusals;
}

}  // namespace fallow::sim
