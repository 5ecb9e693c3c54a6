// NaiveLedger: the market's money as plainly as it can be computed, from the commands and events
// alone: balances are sums of transfers, charges follow from the accepted meter records by the
// documented formula, refunds from the blame. It shares no code with core/ and is compared with the
// market after every batch.
//
// Owner: the simulated server, or a test; it outlives the market's crashes. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/types.h"
#include "core/machine.h"
#include "engine/batch.h"

namespace fallow::sim {

class NaiveLedger {
 public:
  // `differ` is told what is wrong, for every difference.
  explicit NaiveLedger(std::function<void(std::string)> differ) : differ_(std::move(differ)) {}

  void on_batch(const engine::Batch& batch, const core::Machine& machine);
  // One command with its events; compare() is then up to the caller.
  void see(const v1::Command& command, core::EventSpan events, Time now);
  void compare(const core::Machine& machine) const;
  std::uint64_t charges() const { return charges_; }
  std::uint64_t gangs_placed() const { return gangs_placed_; }

 private:
  using Account = std::pair<std::uint64_t, int>;         // market account, v1::LedgerKind
  using Task = std::pair<std::uint64_t, std::uint32_t>;  // order, task

  struct Order {
    std::uint64_t account = 0;
    std::int64_t budget = 0;
    std::int64_t charged = 0;  // net of refunds
    std::int64_t duration_us = 0;
    bool reserved = false;
    std::int64_t spot_bid_hour = 0;  // of a task; 0: not spot, or with a deadline perhaps
    bool has_deadline = false;
    std::int64_t device_thousandths = 0;  // of all devices of a task
    std::int64_t disk_mb = 0;
    std::int64_t egress_bytes_max = 0;  // of a task
    std::uint32_t nodes = 1;            // of a gang
  };
  struct Lease {
    std::uint64_t order = 0;
    std::uint32_t task = 0;
    std::uint32_t attempt = 0;
    std::uint64_t provider = 0;
    std::int64_t rate_hour = 0;
    std::int64_t device_hour = 0;  // without discount
    std::int64_t disk_gb_hour = 0;
    std::array<std::int64_t, 4> discounts{};  // by term
    std::int64_t term_before_us = 0;
    bool spot = false;
    std::int64_t spot_least = 0;  // an hour of it costs no less
    Wide spot_cost = 0;           // micros times microseconds, at each record's price
    bool cut_short = false;       // stopped by neither the renter nor its own limit
    std::int64_t hold = 0;
    std::int64_t time_max_us = 0;
    std::int64_t fee_basis_points = 0;
    std::int64_t volume_basis_points = 0;
    std::int64_t proven_us = 0;
    std::int64_t slowed_us = 0;  // of it, by the node's records
    std::int64_t slow_basis_points = 0;
    std::int64_t credit_basis_points_max = 0;
    std::int64_t egress_gb = 0;  // for 10^9 bytes
    std::int64_t egress_bytes_max = 0;
    std::int64_t egress_bytes = 0;  // by the node's records
    std::int64_t charged = 0;       // that the formula comes to
    std::int64_t moved = 0;         // that was really moved for it
    std::int64_t fee = 0;           // of it, to the market
    std::int64_t returned = 0;      // and what came back
  };

  void see_policy(const v1::Policy& policy);
  void see_transfer(const v1::Transferred& transfer);
  void see_placed(const v1::LeasePlaced& placed);
  void see_order_extended(const v1::OrderExtended& extended);
  void see_lease_extended(const v1::LeaseExtended& extended, std::int64_t more_us);
  // The order's leases hold no more than is left of its budget.
  void expect_held(std::uint64_t order);
  void see_meter(const v1::MeterAccepted& meter);
  void see_changed(const v1::LeaseChanged& changed, const v1::Command& command);
  void see_ended(const v1::LeaseEnded& ended);
  // What the rate of a reserved lease becomes at its end.
  std::int64_t rate_at_end(const Lease& lease, const v1::LeaseEnded& ended) const;
  struct Cost {
    std::int64_t charged = 0;  // of the renter
    std::int64_t fee = 0;      // of it, the market's
  };
  // What comes back of a lease that is not refunded, for devices that were slowed down.
  static std::int64_t credit_of(const Lease& lease, std::int64_t rate_hour);
  static Cost cost_at(const Lease& lease, std::int64_t rate_hour);
  static Cost cost_of(const Lease& lease, std::int64_t gross);
  // Of the time alone, and of what it sent alone.
  static std::int64_t time_gross_at(const Lease& lease, std::int64_t rate_hour);
  static std::int64_t egress_gross(const Lease& lease);
  // What a record adds to a spot lease: the time since the one before at the price that was told.
  void see_spot_meter(const v1::MeterAccepted& meter, std::int64_t proven_before_us);
  // Basis points of the fee that the renter is let off for what it spent.
  std::int64_t volume_basis_points(std::uint64_t account);
  // All members of a gang by one command, each on another node.
  void see_gangs_placed(core::EventSpan events);
  void see_member_ended(const Lease& lease, const v1::LeaseEnded& ended);
  void see_order_ended(const v1::OrderEnded& ended);
  void expect(const char* what, std::uint64_t id, std::int64_t market, std::int64_t naive);

  const std::function<void(std::string)> differ_;
  std::int64_t fee_basis_points_ = 0;
  std::int64_t credit_basis_points_max_ = 0;
  std::vector<std::pair<std::int64_t, std::int64_t>> volume_;            // spent, basis points
  std::int64_t today_ = 0;                                               // days since 1970
  std::map<std::uint64_t, std::map<std::int64_t, std::int64_t>> spent_;  // by account and day
  std::map<Account, std::int64_t> balances_;
  std::map<std::uint64_t, Order> orders_;             // open ones
  std::map<std::uint64_t, Lease> leases_;             // open ones
  std::map<Task, std::int64_t> task_proven_us_;       // of open orders
  std::map<Task, std::int64_t> task_egress_bytes_;    // likewise
  std::map<std::uint64_t, std::uint64_t> providers_;  // by node
  std::map<Task, std::uint32_t> attempts_;            // of open orders
  // Providers who lost an attempt of a gang (order, number, attempt), of open orders.
  std::map<std::tuple<std::uint64_t, std::uint32_t, std::uint32_t>, std::set<std::uint64_t>>
      losers_;
  std::uint64_t charges_ = 0;
  std::uint64_t gangs_placed_ = 0;
};

}  // namespace fallow::sim
