// Whether the values of a restored state can be: each thing for itself.
#include <algorithm>
#include <limits>

#include "core/checks.h"
#include "core/derived.h"
#include "core/egress.h"
#include "core/node_facts.h"
#include "core/placement.h"
#include "core/policy.h"
#include "core/pricing.h"
#include "core/repricing.h"
#include "core/step.h"

namespace fallow::core {
namespace {

// The first reason why not; later ones are dropped.
class Complaint {
 public:
  template <class... Args>
  void unless(bool holds, fmt::format_string<Args...> format, Args&&... args) {
    if (holds || !status_) return;
    status_ = fail(ErrorCode::kCorrupt, format, std::forward<Args>(args)...);
  }
  const Status& status() const { return status_; }

 private:
  Status status_;
};

bool is_moment(Time at) { return at.us >= 0 && at < kTimeMax; }
bool is_span(Duration span) { return span.value >= 0 && span.value <= kTimeMax.us; }
// Far from the end of the range: turns only ever grow by one.
bool is_turn(std::uint64_t turn) { return turn < std::uint64_t{1} << 62; }
bool is_between(Micros low, Micros value, Micros high) { return low <= value && value <= high; }

void check_shown_offer(Complaint& complaint, const Node& node, const Limits& limits) {
  const Offer& offer = node.offer;
  const auto is_price = [&](Micros price) {
    return is_between(Micros(0), price, limits.price_hour_max);
  };
  bool sound = is_price(offer.device_hour) && is_price(offer.disk_gb_hour) &&
               offer.share_thousandths_min >= 1 && offer.share_thousandths_min <= kWholeDevice &&
               is_span(offer.duration_max) && offer.former.size() <= kFormerPricesMax &&
               is_price(offer.floor) && is_price(offer.ceiling) && offer.floor <= offer.ceiling &&
               (offer.id.value != 0 || offer.ceiling.value == 0) &&
               are_discounts(message_of(offer.discounts)) && is_price(offer.spot_floor) &&
               (offer.spot || offer.spot_floor.value == 0) && is_price(offer.egress_gb);
  Time before;
  for (const FormerPrice& former : offer.former) {
    sound = sound && is_price(former.device_hour) && is_price(former.disk_gb_hour) &&
            is_price(former.egress_gb) && is_moment(former.raised_at) &&
            before <= former.raised_at && are_discounts(message_of(former.discounts));
    before = former.raised_at;
  }
  complaint.unless(sound, "node {} has an offer that cannot be", node.id.value);
}

void check_node(Complaint& complaint, const MarketState& state, const Node& node) {
  v1::NodeFacts facts = node.facts;
  for (const NodeDevice& device : node.devices) *facts.add_devices() = device.facts;
  Limits limits = state.limits;
  std::uint32_t place = 0;
  for (v1::Device& device : *facts.mutable_devices()) device.set_index(place++);
  const bool sound = node.facts.devices_size() == 0 && node.public_key.size() == kDigestBytes &&
                     state.accounts.find(node.provider) != nullptr &&
                     v1::OwnerState_IsValid(node.owner) &&
                     node.owner != v1::OWNER_STATE_UNSPECIFIED && is_moment(node.owner_since) &&
                     is_moment(node.joined_at) && is_moment(node.seen_at) &&
                     is_span(node.kept_time) && node.kept_time < kKeptWhole &&
                     !(node.removed && (node.connected || node.offer.id.value != 0)) &&
                     !(node.silent && node.connected) && !(node.removed && node.priced) &&
                     node.uptime.can_be(state.now) && can_be(node.survival);
  complaint.unless(sound, "node {} has values that cannot be", node.id.value);
  complaint.unless(!check_facts(facts, limits), "node {} has facts that cannot be", node.id.value);
  check_shown_offer(complaint, node, limits);
}

void check_index(Complaint& complaint, const PriceIndex& index, const Limits& limits) {
  constexpr std::uint64_t kCountMax = std::uint64_t{1} << 62;
  const auto is_price = [&](Micros price) {
    return is_between(Micros(0), price, limits.price_hour_max);
  };
  complaint.unless(is_price(index.value) && is_price(index.open) && is_price(index.low) &&
                       is_price(index.mean) && is_price(index.high) && index.trades < kCountMax &&
                       index.traded_thousandths < kCountMax && index.offered_ms >= 0 &&
                       index.leased_ms >= 0 && is_moment(index.counted_to) &&
                       is_moment(index.began_at) && is_moment(index.expected_until) &&
                       index.expected_use_basis_points <= kExpectedUseMax && is_price(index.spot) &&
                       index.spot_losing.value >= 0,
                   "the price index of \"{}\" in \"{}\" has values that cannot be", index.key.model,
                   index.key.region);
}

// Only what has failed is tried again later, and its latest attempt has ended.
bool has_sound_delay(const MarketState& state, const Order& order, const Task& task) {
  if (task.retry_at.us == 0) return true;
  const Lease* const lease = state.leases.find(task.lease);
  return is_moment(task.retry_at) && task.state == v1::WAITING && lease != nullptr &&
         lease->state == v1::ENDED && lease->order == order.id &&
         lease->task < order.tasks.size() && &order.tasks[lease->task] == &task;
}

void check_open_order(Complaint& complaint, const MarketState& state, const Order& order) {
  const bool sound =
      state.accounts.find(order.account) != nullptr && v1::OrderState_IsValid(order.state) &&
      order.state != v1::ORDER_STATE_UNSPECIFIED && !order.tasks.empty() &&
      order.tasks.size() <= state.limits.tasks_per_order_max && is_moment(order.created_at) &&
      is_moment(order.ended_at) && is_moment(order.quoted_at) && is_moment(order.quote_until) &&
      is_moment(order.spot_after) && is_between(Micros(0), order.budget, state.limits.money_max) &&
      is_between(Micros(0), order.charged, order.budget) &&
      is_between(Micros(0), order.month_counted, order.budget) &&
      is_between(Micros(0), order.rate_hour_max, state.limits.money_max) &&
      is_between(Micros(0), order.egress_gb_max, state.limits.price_hour_max) &&
      order.attempts_max >= 1 && is_turn(order.turn);
  complaint.unless(sound, "order {} has values that cannot be", order.id.value);
  complaint.unless(is_moment(order.deadline) && is_span(order.restart) &&
                       (order.deadline.us > 0 || (order.restart.value == 0 && !order.on_spot)) &&
                       (order.deadline.us == 0 ||
                        (order.requirements.tier() == v1::ON_DEMAND &&
                         nodes_of(order.requirements) == 1 && order.rate_hour_max.value > 0)),
                   "order {} has a deadline that cannot be", order.id.value);
  if (sound && !order.project.empty()) {
    complaint.unless(state.accounts.find(order.account)->projects.contains(order.project),
                     "order {} is of a project that its account does not have", order.id.value);
  }
  complaint.unless(!check_tasks(static_cast<std::uint32_t>(order.tasks.size()), order.requirements,
                                state.limits),
                   "order {} has tasks that make no whole gangs", order.id.value);
  const Duration duration(order.requirements.duration_us());
  for (const Task& task : order.tasks) {
    complaint.unless(task.state >= v1::WAITING && v1::TaskState_IsValid(task.state) &&
                         task.avoid.size() <= kAvoidMax && task.proven.value >= 0 &&
                         task.egress_bytes >= 0 && egress_left(order, task) >= 0 &&
                         task.preempted <= task.attempts &&
                         task.failures <= task.attempts - task.preempted &&
                         (task.state != v1::WAITING || task.proven < duration) &&
                         has_sound_delay(state, order, task),
                     "order {} has a task that cannot be", order.id.value);
  }
}

bool has_sound_state(const Lease& lease) {
  const auto is_reason = [](v1::EndReason reason) {
    return reason != v1::END_REASON_UNSPECIFIED && v1::EndReason_IsValid(reason);
  };
  if (!v1::LeaseState_IsValid(lease.state) || lease.state == v1::LEASE_STATE_UNSPECIFIED ||
      !v1::Blame_IsValid(lease.blame)) {
    return false;
  }
  if (lease.state == v1::ENDED) return is_reason(lease.reason);
  return lease.reason == v1::END_REASON_UNSPECIFIED && lease.refunded.value == 0 &&
         (lease.state != v1::STOPPING || is_reason(lease.stop_reason));
}

void check_lease(Complaint& complaint, const MarketState& state, const Lease& lease) {
  complaint.unless(has_sound_state(lease), "lease {} is in no state", lease.id.value);
  const Micros fee_least = lease.state == v1::ENDED ? -lease.charged : Micros(0);
  const bool sound_money =
      is_between(Micros(0), lease.hold, state.limits.money_max) &&
      is_between(Micros(0), lease.charged, lease.hold) &&
      is_between(Micros(0), lease.refunded, lease.charged) &&
      is_between(fee_least, lease.fee, lease.charged) && lease.rate_hour.value >= 0 &&
      lease.device_hour.value >= 0 && lease.disk_gb_hour.value >= 0 &&
      lease.fee_basis_points <= 10'000 && lease.volume_basis_points <= 10'000 &&
      lease.credit_basis_points_max <= 10'000 && lease.slow_basis_points <= 10'000 &&
      is_between(Micros(0), lease.credited, lease.refunded) && lease.rerated_hour.value >= 0 &&
      lease.spot_floor.value >= 0 && lease.spot_floor <= lease.spot_bid &&
      lease.device_hour <= state.limits.price_hour_max &&
      lease.disk_gb_hour <= state.limits.price_hour_max &&
      is_between(Micros(0), lease.egress_gb, state.limits.price_hour_max) &&
      lease.egress_bytes >= 0 && lease.egress_bytes_max >= 0 && egress_hold(lease) <= lease.hold &&
      are_discounts(message_of(lease.discounts));
  complaint.unless(sound_money, "lease {} has money that cannot be", lease.id.value);
  const bool sound_times =
      is_moment(lease.placed_at) && is_moment(lease.started_at) && is_moment(lease.heard_at) &&
      is_moment(lease.start_by) && is_moment(lease.stopping_at) && is_moment(lease.ended_at) &&
      is_moment(lease.checkpoint_at) && is_span(lease.proven) && is_span(lease.time_max) &&
      is_span(lease.unseen) && is_moment(lease.idle_since) && is_span(lease.idle) &&
      is_span(lease.slowed) && lease.slowed <= lease.proven && is_span(lease.term_before) &&
      is_span(lease.term) && is_span(lease.time_known) && lease.placed_at.us > 0 &&
      is_span(lease.close_after) && is_moment(lease.fenced_at) &&
      (lease.fenced_at.us == 0 || lease.state == v1::ENDED) && is_span(lease.stop_proven_max) &&
      (lease.stop_proven_max.value == 0 || lease.state == v1::STOPPING) &&
      (!lease.proof || (is_open(lease) && lease.started_at.us == 0));
  complaint.unless(sound_times, "lease {} has times that cannot be", lease.id.value);
  const Order* const order = state.orders.find(lease.order);
  const Node* const node = state.nodes.find(lease.node);
  const bool sound_names = order != nullptr && node != nullptr &&
                           lease.task < order->tasks.size() && lease.renter == order->account &&
                           lease.provider == node->provider;
  complaint.unless(sound_names, "lease {} binds what does not exist", lease.id.value);
  if (!sound_names) return;
  const bool sound_share = lease.device_thousandths >= 1 &&
                           lease.device_thousandths <= kWholeDevice &&
                           std::is_sorted(lease.devices.begin(), lease.devices.end());
  complaint.unless(sound_share, "lease {} has devices that cannot be", lease.id.value);
}

void check_people(Complaint& complaint, const MarketState& state) {
  const auto known = [&](AccountId id) { return state.accounts.find(id) != nullptr; };
  const Micros money_max = state.limits.money_max;
  const auto is_sum = [](const SpentDay& spent) {
    return spent.day >= 0 && spent.amount.value > std::numeric_limits<std::int64_t>::min();
  };
  const auto is_budget = [](const Budget& budget) {
    return budget.max.value >= 0 && budget.used.value >= 0;
  };
  state.accounts.each([&](const Account& account) {
    complaint.unless(
        account.month_budget.value >= 0 && account.month_used.value >= 0 &&
            is_moment(account.created_at) && is_turn(account.turn) &&
            std::all_of(account.spent.begin(), account.spent.end(), is_sum) &&
            is_budget(account.total) &&
            std::all_of(account.projects.begin(), account.projects.end(),
                        [&](const auto& project) { return is_budget(project.second); }),
        "account {} has values that cannot be", account.id.value);
  });
  for (const auto& [unused, key] : state.keys) {
    complaint.unless(known(key.account), "a key belongs to nobody");
    complaint.unless(v1::Role_IsValid(key.role) && is_moment(key.created_at),
                     "a key has values that cannot be");
  }
  for (const auto& [unused, token] : state.join_tokens) {
    complaint.unless(known(token.account) && token.uses_left > 0, "a join token cannot be");
  }
  for (const auto& [id, webhook] : state.webhooks) {
    complaint.unless(known(webhook.account) && !webhook.url.empty() &&
                         webhook.url.size() <= state.limits.url_bytes_max &&
                         webhook.kinds.size() <= state.limits.webhook_kinds_max &&
                         is_moment(webhook.created_at) && is_moment(webhook.stopped_at) &&
                         is_moment(webhook.secret_since) && webhook.secret_number > 0 &&
                         webhook.created_index.value > 0,
                     "webhook {} has values that cannot be", id.value);
  }
  for (const auto& [place, member] : state.members) {
    complaint.unless(known(place.first) && known(place.second) && place.first != place.second &&
                         member.role != v1::ROLE_UNSPECIFIED && v1::Role_IsValid(member.role),
                     "a member of account {} cannot be", place.first.value);
  }
  Wide inside = -Wide{state.ledger.balance(kOutside).value};
  for (const auto& [id, payout] : state.payouts) {
    inside += payout.amount.value;
    complaint.unless(known(payout.account) && is_between(Micros(1), payout.amount, money_max) &&
                         (payout.source == v1::WALLET || payout.source == v1::EARNED),
                     "payout {} cannot be", id);
  }
  Wide debts = 0;
  state.ledger.visit([&](LedgerKey key, Micros balance) {
    if (key.kind == v1::OWED) debts -= balance.value;
  });
  inside += debts;
  complaint.unless(debts <= std::numeric_limits<std::int64_t>::max(),
                   "more is owed than there can be");
  complaint.unless(inside >= 0 && inside <= std::numeric_limits<std::int64_t>::max(),
                   "there is more money than there can be");
  for (const auto& [due, release] : state.releases) {
    complaint.unless(known(release.provider) && release.amount.value > 0 && is_moment(due.at),
                     "earnings of lease {} cannot be", due.lease.value);
  }
  Wide reversible = 0;
  for (const auto& [due, deposit] : state.reversible) {
    reversible += deposit.amount.value;
    complaint.unless(known(deposit.account) && is_moment(due.first) &&
                         is_between(Micros(1), deposit.amount, money_max),
                     "the reversible deposit of command {} cannot be", due.second.value);
  }
  complaint.unless(reversible <= std::numeric_limits<std::int64_t>::max(),
                   "more can be taken back than there can be");
  for (const auto& [account, until] : state.covered_until) {
    const auto covers = [&, of = account](const auto& each) { return each.second.account == of; };
    complaint.unless(
        is_moment(until) && std::any_of(state.reversible.begin(), state.reversible.end(), covers),
        "no deposit covers what account {} owed", account.value);
  }
  for (const Booked& booked : state.deposits) {
    complaint.unless(known(booked.account), "a deposit belongs to nobody");
  }
  state.ledger.visit([&](LedgerKey key, Micros) {
    complaint.unless(key.account.value == 0 || known(key.account), "money belongs to nobody");
  });
}

}  // namespace

Status check_things(const MarketState& state) {
  Complaint complaint;
  complaint.unless(is_moment(state.now) && is_turn(state.turn) && state.last_index < kIndexMax,
                   "the market's time or place in the log cannot be");
  const std::uint64_t ids_end = (state.last_index.value + 1) * kIdsPerCommand;
  complaint.unless(
      state.accounts.last_id().value < ids_end && state.nodes.last_id().value < ids_end &&
          state.orders.last_id().value < ids_end && state.leases.last_id().value < ids_end,
      "something is younger than the market's last command");
  if (state.founded) {
    complaint.unless(!check_policy(state.policy), "the market's policy cannot be");
    complaint.unless(state.accounts.find(state.operator_account) != nullptr,
                     "the market has no operator");
  }
  complaint.unless(
      is_moment(state.interval_end) && (state.interval_end.us > 0 || !keeps_index(state.policy)),
      "the interval of the price indexes cannot be");
  state.indexes.visit(
      [&](const PriceIndex& index) { check_index(complaint, index, state.limits); });
  complaint.unless(!state.reservation || is_moment(state.reservation->at),
                   "the reservation's moment cannot be");
  check_people(complaint, state);
  state.nodes.each([&](const Node& node) { check_node(complaint, state, node); });
  for (const auto& [uuid, record] : state.device_records) {
    complaint.unless(uuid.size() <= state.limits.name_bytes_max && record.broken > 0 &&
                         record.node.value < ids_end,
                     "the record of a device cannot be");
  }
  state.orders.each([&](const Order& order) { check_open_order(complaint, state, order); });
  state.leases.each([&](const Lease& lease) { check_lease(complaint, state, lease); });
  return complaint.status();
}

}  // namespace fallow::core
