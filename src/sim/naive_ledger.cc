#include "sim/naive_ledger.h"

#include <fmt/core.h>

#include <algorithm>

namespace fallow::sim {
namespace {

constexpr Wide kHourUs = Wide{3'600'000'000};

// Thousandths of a device, and megabytes as thousandths of a gigabyte; each part rounded up.
std::int64_t rate_of(std::int64_t device_thousandths, std::int64_t disk_mb,
                     std::int64_t device_hour, std::int64_t disk_gb_hour) {
  const auto part = [](std::int64_t count, std::int64_t price) {
    return (Wide{count} * price + 999) / 1'000;
  };
  return static_cast<std::int64_t>(part(device_thousandths, device_hour) +
                                   part(disk_mb, disk_gb_hour));
}

// An hour, a day, a week, 30 days: the discount of the longest that the time reaches.
std::int64_t after_discount(std::int64_t price, const std::array<std::int64_t, 4>& discounts,
                            std::int64_t time_us) {
  constexpr std::array<std::int64_t, 4> kTermHours = {1, 24, 168, 720};
  std::int64_t off = 0;
  for (std::size_t i = 0; i < kTermHours.size(); ++i) {
    if (Wide{time_us} >= kTermHours[i] * kHourUs) off = discounts[i];
  }
  return static_cast<std::int64_t>((Wide{price} * (10'000 - off) + 9'999) / 10'000);
}

// So many bytes at a price for 10^9 of them.
std::int64_t bytes_cost(std::int64_t price, std::int64_t bytes) {
  return static_cast<std::int64_t>(Wide{price} * bytes / 1'000'000'000);
}

}  // namespace

void NaiveLedger::expect(const char* what, std::uint64_t id, std::int64_t market,
                         std::int64_t naive) {
  if (market == naive) return;
  differ_(fmt::format("{} {}: the market says {}, the naive ledger {}", what, id, market, naive));
}

void NaiveLedger::on_batch(const engine::Batch& batch, const core::Machine& machine) {
  for (const engine::Applied& applied : batch.commands) {
    see(*applied.command, applied.events, applied.time);
  }
  compare(machine);
}

void NaiveLedger::see_policy(const v1::Policy& policy) {
  fee_basis_points_ = policy.fee_basis_points();
  credit_basis_points_max_ = policy.credit_basis_points_max();
  volume_.clear();
  for (const v1::VolumeDiscount& step : policy.volume_discounts()) {
    volume_.emplace_back(step.spent_micros_min(), step.fee_basis_points());
  }
}

void NaiveLedger::see(const v1::Command& command, core::EventSpan events, Time now) {
  today_ = now.us / (24 * 3'600'000'000);
  for (const v1::Event& event : events) {
    if (event.has_node_joined()) {
      providers_[event.node_joined().node()] = event.node_joined().account();
    }
    if (event.has_founded()) see_policy(command.found().policy());
    if (event.has_policy_set()) see_policy(command.set_policy().policy());
    if (event.has_order_accepted()) {
      Order& order = orders_[event.order_accepted().order()];
      order.account = event.order_accepted().account();
      order.budget = event.order_accepted().budget_micros();
      const v1::Requirements& wanted = command.submit_order().requirements();
      order.duration_us = wanted.duration_us();
      order.reserved = wanted.tier() == v1::RESERVED;
      order.spot_bid_hour = wanted.tier() == v1::SPOT ? wanted.price_per_hour_micros_max() : 0;
      order.has_deadline = command.submit_order().deadline_after_us() > 0;
      const std::int64_t share =
          wanted.device_thousandths() == 0 ? 1'000 : wanted.device_thousandths();
      order.device_thousandths = std::max<std::int64_t>(wanted.gpus(), 1) * share;
      order.disk_mb = wanted.disk_mb();
      order.egress_bytes_max = std::int64_t{wanted.egress_mb_max()} * 1'000'000;
      order.nodes = std::max(wanted.nodes(), 1U);
    }
    if (event.has_transferred()) see_transfer(event.transferred());
    if (event.has_order_extended()) see_order_extended(event.order_extended());
    if (event.has_lease_extended()) {
      see_lease_extended(event.lease_extended(), command.extend_order().more_us());
    }
    if (event.has_lease_placed()) see_placed(event.lease_placed());
    if (event.has_lease_changed()) see_changed(event.lease_changed(), command);
    if (event.has_meter_accepted()) see_meter(event.meter_accepted());
    if (event.has_lease_ended()) see_ended(event.lease_ended());
    if (event.has_order_ended()) see_order_ended(event.order_ended());
  }
  see_gangs_placed(events);
}

void NaiveLedger::see_transfer(const v1::Transferred& transfer) {
  const std::int64_t amount = transfer.amount_micros();
  if (amount <= 0) differ_(fmt::format("a transfer moves {} micros", amount));
  balances_[{transfer.from_account(), transfer.from_kind()}] -= amount;
  balances_[{transfer.to_account(), transfer.to_kind()}] += amount;
  const auto lease = leases_.find(transfer.lease());
  if (lease == leases_.end()) return;
  switch (transfer.reason()) {
    case v1::FEE:
      lease->second.fee += amount;
      [[fallthrough]];
    case v1::CHARGED:
      lease->second.moved += amount;
      break;
    case v1::REFUNDED:
    case v1::FEE_RETURNED:
      lease->second.returned += amount;
      break;
    default:
      break;
  }
}

void NaiveLedger::see_placed(const v1::LeasePlaced& placed) {
  Lease& lease = leases_[placed.lease()];
  lease.order = placed.order();
  lease.task = placed.task();
  lease.provider = providers_[placed.node()];
  lease.attempt = ++attempts_[{placed.order(), placed.task()}];
  lease.rate_hour = placed.rate_hour_micros();
  lease.hold = placed.hold_micros();
  lease.fee_basis_points = fee_basis_points_;
  lease.credit_basis_points_max = credit_basis_points_max_;
  lease.slow_basis_points = placed.slow_basis_points();
  lease.volume_basis_points = volume_basis_points(placed.account());
  expect("volume discount of lease", placed.lease(), placed.volume_basis_points(),
         lease.volume_basis_points);
  const Order& order = orders_[placed.order()];
  lease.device_hour = placed.device_hour_micros();
  lease.disk_gb_hour = placed.disk_gb_hour_micros();
  const v1::TermDiscounts& given = placed.discounts();
  lease.discounts = {given.hour_basis_points(), given.day_basis_points(), given.week_basis_points(),
                     given.month_basis_points()};
  lease.term_before_us = task_proven_us_[{placed.order(), placed.task()}];
  lease.time_max_us = order.duration_us - lease.term_before_us;
  std::int64_t device_hour = lease.device_hour;
  if (order.reserved) {
    device_hour = after_discount(lease.device_hour, lease.discounts, order.duration_us);
  }
  if (order.spot_bid_hour > 0 || (order.has_deadline && placed.spot_bid_micros() > 0)) {
    lease.spot = true;
    device_hour = placed.spot_bid_micros();
    lease.spot_least = rate_of(order.device_thousandths, order.disk_mb, placed.spot_floor_micros(),
                               lease.disk_gb_hour);
    const bool beyond = !order.has_deadline && lease.rate_hour > order.spot_bid_hour;
    if (lease.spot_least > lease.rate_hour || beyond) {
      differ_(fmt::format("spot lease {} has its floor at {}, its bid at {}, the order's is {}",
                          placed.lease(), lease.spot_least, lease.rate_hour, order.spot_bid_hour));
    }
  }
  expect("rate of lease", placed.lease(), lease.rate_hour,
         rate_of(order.device_thousandths, order.disk_mb, device_hour, lease.disk_gb_hour));
  lease.egress_gb = placed.egress_gb_micros();
  lease.egress_bytes_max =
      order.egress_bytes_max - task_egress_bytes_[{placed.order(), placed.task()}];
  expect("most that is sent by lease", placed.lease(), placed.egress_bytes_max(),
         lease.egress_bytes_max);
  // A hold that was cut by the budget pays for less time.
  const std::int64_t of_time = lease.hold - bytes_cost(lease.egress_gb, lease.egress_bytes_max);
  if (of_time < 0) {
    return differ_(fmt::format("lease {} may send more than it holds", placed.lease()));
  }
  const Wide whole = Wide{lease.rate_hour} * lease.time_max_us / kHourUs;
  if (Wide{of_time} < whole) {
    lease.time_max_us = static_cast<std::int64_t>(Wide{of_time} * kHourUs / lease.rate_hour);
  }
  expect_held(lease.order);
}

void NaiveLedger::expect_held(std::uint64_t order) {
  std::int64_t held = 0;
  for (const auto& [id, lease] : leases_) {
    if (lease.order == order) held += lease.hold - lease.charged;
  }
  const std::int64_t left = orders_[order].budget - orders_[order].charged;
  if (held > left) {
    differ_(fmt::format("the leases of order {} hold {}, more than the {} that are left of it",
                        order, held, left));
  }
}

void NaiveLedger::see_order_extended(const v1::OrderExtended& extended) {
  Order& order = orders_[extended.order()];
  order.budget += extended.added_micros();
  order.duration_us += extended.more_us();
  expect("budget of extended order", extended.order(), extended.budget_micros(), order.budget);
  expect("time of extended order", extended.order(), extended.duration_us(), order.duration_us);
}

void NaiveLedger::see_lease_extended(const v1::LeaseExtended& extended, std::int64_t more_us) {
  Lease& lease = leases_[extended.lease()];
  lease.time_max_us += more_us;
  const Wide whole = Wide{lease.rate_hour} * lease.time_max_us / kHourUs;
  lease.hold = std::max(lease.hold, static_cast<std::int64_t>(whole) +
                                        bytes_cost(lease.egress_gb, lease.egress_bytes_max));
  expect("time of extended lease", extended.lease(), extended.time_us_max(), lease.time_max_us);
  expect("hold of extended lease", extended.lease(), extended.hold_micros(), lease.hold);
  expect_held(lease.order);
}

void NaiveLedger::see_meter(const v1::MeterAccepted& meter) {
  const std::uint64_t id = meter.record().lease();
  Lease& lease = leases_[id];
  const std::int64_t before_us = lease.proven_us;
  lease.proven_us = meter.record().running_us();
  lease.slowed_us = meter.record().slowed_us();
  lease.egress_bytes = meter.record().egress_bytes();
  if (lease.spot) see_spot_meter(meter, before_us);
  const auto [charged, fee] = cost_at(lease, lease.rate_hour);
  orders_[lease.order].charged += charged - lease.charged;
  lease.charged = charged;
  ++charges_;
  expect("time proven by lease", id, meter.proven_us(), lease.proven_us);
  expect("charge of lease", id, meter.charged_micros(), lease.charged);
  expect("money moved for lease", id, lease.moved, lease.charged);
  expect("fee of lease", id, lease.fee, fee);
}

void NaiveLedger::see_changed(const v1::LeaseChanged& changed, const v1::Command& command) {
  if (changed.state() != v1::STOPPING) return;
  Lease& lease = leases_[changed.lease()];
  const bool renter = command.has_stop_order() || command.has_stop_lease() ||
                      changed.reason() == v1::STOPPED || changed.reason() == v1::GANG_FAILED;
  lease.cut_short = !renter && lease.proven_us < lease.time_max_us;
}

void NaiveLedger::see_spot_meter(const v1::MeterAccepted& meter, std::int64_t proven_before_us) {
  Lease& lease = leases_[meter.record().lease()];
  const std::int64_t new_us =
      std::min(lease.proven_us, lease.time_max_us) - std::min(proven_before_us, lease.time_max_us);
  if (new_us == 0) return;
  const std::int64_t rate = meter.rate_hour_micros();
  if (rate < lease.spot_least || rate > lease.rate_hour) {
    differ_(fmt::format("spot lease {} pays {}, its floor is {} and its bid {}",
                        meter.record().lease(), rate, lease.spot_least, lease.rate_hour));
  }
  lease.spot_cost += Wide{rate} * new_us;
}

std::int64_t NaiveLedger::egress_gross(const Lease& lease) {
  return bytes_cost(lease.egress_gb, std::min(lease.egress_bytes, lease.egress_bytes_max));
}

std::int64_t NaiveLedger::time_gross_at(const Lease& lease, std::int64_t rate_hour) {
  const std::int64_t paid_us = std::min(lease.proven_us, lease.time_max_us);
  const Wide cost = lease.spot ? lease.spot_cost : Wide{rate_hour} * paid_us;
  const Wide of_time = lease.hold - bytes_cost(lease.egress_gb, lease.egress_bytes_max);
  return static_cast<std::int64_t>(std::min(of_time, cost / kHourUs));
}

NaiveLedger::Cost NaiveLedger::cost_at(const Lease& lease, std::int64_t rate_hour) {
  return cost_of(lease, time_gross_at(lease, rate_hour) + egress_gross(lease));
}

NaiveLedger::Cost NaiveLedger::cost_of(const Lease& lease, std::int64_t gross) {
  const auto whole_fee = static_cast<std::int64_t>(Wide{gross} * lease.fee_basis_points / 10'000);
  const auto let_off =
      static_cast<std::int64_t>(Wide{whole_fee} * lease.volume_basis_points / 10'000);
  return {gross - let_off, whole_fee - let_off};
}

std::int64_t NaiveLedger::credit_of(const Lease& lease, std::int64_t rate_hour) {
  if (lease.proven_us == 0) return 0;
  const auto [charged, fee] = cost_of(lease, time_gross_at(lease, rate_hour));
  const std::int64_t slowed_us =
      std::max(lease.slowed_us,
               static_cast<std::int64_t>(Wide{lease.proven_us} * lease.slow_basis_points / 10'000));
  const Wide share = Wide{charged} * slowed_us;
  const Wide rounded_up = share / lease.proven_us + (share % lease.proven_us == 0 ? 0 : 1);
  const Wide most = Wide{charged} * lease.credit_basis_points_max / 10'000;
  return static_cast<std::int64_t>(std::min({rounded_up, most, Wide{charged - fee}}));
}

std::int64_t NaiveLedger::volume_basis_points(std::uint64_t account) {
  Wide spent = 0;
  for (const auto& [day, amount] : spent_[account]) {
    if (day > today_ - 30) spent += amount;
  }
  spent = std::max<Wide>(spent, 0);
  std::int64_t basis_points = 0;
  for (const auto& [least, off] : volume_) {
    if (spent >= least) basis_points = off;
  }
  return basis_points;
}

std::int64_t NaiveLedger::rate_at_end(const Lease& lease, const v1::LeaseEnded& ended) const {
  const Order& order = orders_.at(lease.order);
  const bool ended_by_renter = ended.blame() == v1::BLAME_NONE || ended.blame() == v1::BLAME_RENTER;
  if (!order.reserved || !ended_by_renter || lease.cut_short || ended.reason() == v1::TIME_LIMIT) {
    return lease.rate_hour;
  }
  const std::int64_t used_us = lease.term_before_us + std::min(lease.proven_us, lease.time_max_us);
  return std::max(
      lease.rate_hour,
      rate_of(order.device_thousandths, order.disk_mb,
              after_discount(lease.device_hour, lease.discounts, used_us), lease.disk_gb_hour));
}

void NaiveLedger::see_ended(const v1::LeaseEnded& ended) {
  Lease lease = leases_[ended.lease()];
  leases_.erase(ended.lease());
  const std::int64_t rate = rate_at_end(lease, ended);
  expect("dearer rate of ended lease", ended.lease(), ended.rerated_hour_micros(),
         rate == lease.rate_hour ? 0 : rate);
  const auto [charged, fee] = cost_at(lease, rate);
  orders_[lease.order].charged += charged - lease.charged;
  lease.charged = charged;
  expect("money moved for ended lease", ended.lease(), lease.moved, lease.charged);
  expect("fee taken of ended lease", ended.lease(), lease.fee, fee);
  expect("time proven by ended lease", ended.lease(), ended.proven_us(), lease.proven_us);
  expect("charge of ended lease", ended.lease(), ended.charged_micros(), lease.charged);
  expect("bytes sent by ended lease", ended.lease(), ended.egress_bytes(), lease.egress_bytes);
  expect("price of what ended lease sent", ended.lease(), ended.egress_micros(),
         egress_gross(lease));
  expect("money returned for lease", ended.lease(), ended.refunded_micros(), lease.returned);
  see_member_ended(lease, ended);
  const bool by_provider = ended.blame() == v1::BLAME_PROVIDER;
  const bool by_market = ended.reason() == v1::MARKET_FAULT;
  if (by_provider) {
    expect("refund of lease", ended.lease(), ended.refunded_micros(), lease.charged);
  } else if (!by_market) {
    expect("credit of lease", ended.lease(), ended.refunded_micros(), credit_of(lease, rate));
  }
  if (ended.refunded_micros() > lease.charged) {
    differ_(fmt::format("lease {} was refunded more than its charge", ended.lease()));
  }
  spent_[orders_[lease.order].account][today_] += lease.charged - lease.returned;
  orders_[lease.order].charged -= lease.returned;
  if (!by_provider && !by_market) {
    task_proven_us_[{lease.order, lease.task}] += std::min(lease.proven_us, lease.time_max_us);
    task_egress_bytes_[{lease.order, lease.task}] +=
        std::min(lease.egress_bytes, lease.egress_bytes_max);
  }
}

void NaiveLedger::see_gangs_placed(core::EventSpan events) {
  std::map<Task, std::set<std::uint64_t>> gangs;  // nodes by order and number of the gang
  for (const v1::Event& event : events) {
    if (!event.has_lease_placed()) continue;
    const v1::LeasePlaced& placed = event.lease_placed();
    const std::uint32_t nodes = orders_[placed.order()].nodes;
    if (nodes == 1) continue;
    if (!gangs[{placed.order(), placed.task() / nodes}].insert(placed.node()).second) {
      differ_(fmt::format("two members of a gang of order {} are on node {}", placed.order(),
                          placed.node()));
    }
    gangs_placed_ += placed.task() % nodes == 0 ? 1 : 0;
  }
  for (const auto& [gang, nodes] : gangs) {
    expect("nodes of a gang of order", gang.first, static_cast<std::int64_t>(nodes.size()),
           orders_[gang.first].nodes);
  }
}

// Only a node of the same provider that was lost takes another's earnings along.
void NaiveLedger::see_member_ended(const Lease& lease, const v1::LeaseEnded& ended) {
  const Order& order = orders_[lease.order];
  const auto gang = std::tuple(lease.order, lease.task / order.nodes, lease.attempt);
  const bool of_gang = ended.reason() == v1::GANG_FAILED || ended.reason() == v1::GANG_LOST ||
                       ended.reason() == v1::GANG_BROKEN;
  if (of_gang && order.nodes == 1) {
    differ_(fmt::format("lease {} ended with a gang that it is not of", ended.lease()));
  }
  if (order.nodes == 1) return;
  if (ended.blame() == v1::BLAME_PROVIDER && !of_gang) losers_[gang].insert(lease.provider);
  if (ended.reason() == v1::GANG_LOST && !losers_[gang].contains(lease.provider)) {
    differ_(fmt::format("lease {} pays for a gang that its provider did not lose", ended.lease()));
  }
}

void NaiveLedger::see_order_ended(const v1::OrderEnded& ended) {
  const Order order = orders_[ended.order()];
  expect("charge of order", ended.order(), ended.charged_micros(), order.charged);
  if (order.charged > order.budget) {
    differ_(fmt::format("order {} was charged {}, its budget is {}", ended.order(), order.charged,
                        order.budget));
  }
  orders_.erase(ended.order());
  attempts_.erase(attempts_.lower_bound({ended.order(), 0}),
                  attempts_.lower_bound({ended.order() + 1, 0}));
  losers_.erase(losers_.lower_bound({ended.order(), 0, 0}),
                losers_.lower_bound({ended.order() + 1, 0, 0}));
  task_proven_us_.erase(task_proven_us_.lower_bound({ended.order(), 0}),
                        task_proven_us_.lower_bound({ended.order() + 1, 0}));
  task_egress_bytes_.erase(task_egress_bytes_.lower_bound({ended.order(), 0}),
                           task_egress_bytes_.lower_bound({ended.order() + 1, 0}));
}

void NaiveLedger::compare(const core::Machine& machine) const {
  Wide sum = 0;
  std::size_t count = 0;
  for (const auto& [account, balance] : balances_) {
    sum += balance;
    if (balance != 0) ++count;
    const bool may_be_negative = account.second == v1::OUTSIDE || account.second == v1::OWED;
    if (balance < 0 && !may_be_negative) {
      differ_(fmt::format("account {} has {} of kind {}", account.first, balance, account.second));
    }
  }
  if (sum != 0) differ_("the naive ledger does not sum to zero");
  machine.ledger().visit([&](core::LedgerKey key, Micros balance) {
    --count;
    const auto known = balances_.find({key.account.value, key.kind});
    const std::int64_t naive = known == balances_.end() ? 0 : known->second;
    if (naive != balance.value) {
      differ_(fmt::format("account {} has {} of kind {} in the market, {} in the naive ledger",
                          key.account.value, balance.value, static_cast<int>(key.kind), naive));
    }
  });
  if (count != 0) differ_("the market's ledger and the naive one have different accounts");
  // What an account holds is what its open orders may still cost.
  std::map<std::uint64_t, std::int64_t> held;
  for (const auto& [id, order] : orders_) held[order.account] += order.budget - order.charged;
  for (const auto& [account, balance] : balances_) {
    if (account.second == v1::HELD && held[account.first] != balance) {
      differ_(fmt::format("account {} holds {}, its open orders need {}", account.first, balance,
                          held[account.first]));
    }
  }
}

}  // namespace fallow::sim
