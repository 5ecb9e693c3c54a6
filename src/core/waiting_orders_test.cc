// Who waits: places and groups against a plain list; and that neither groups nor misses change an
// answer of the market, command by command.
#include "core/waiting_orders.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>

#include "base/sanitizers.h"
#include "core/machine.h"
#include "core/order.h"
#include "core/test_market.h"

namespace fallow::core {
namespace {

TEST(WaitingOrders, KnowsPlacesAndGroupsAsAPlainListDoes) {
  const auto random = seeded_random(7);
  WaitingOrders waiting;
  std::map<Turn, Order*> naive;
  std::map<std::uint64_t, Order> orders;
  Time now{1'000};
  for (int step = 0; step < 4'000; ++step) {
    now = now + Duration(static_cast<std::int64_t>(random->below(3)));
    const std::uint64_t id = 1 + random->below(200);
    Order& order = orders[id];
    if (order.turn != 0) {
      const Turn turn{order.turn, order.id};
      waiting.erase(turn, order);
      naive.erase(turn);
      EXPECT_EQ(order.group, nullptr);
      order.turn = 0;
    } else {
      order.id = OrderId(id);
      order.turn = 1 + random->below(1'000);
      order.demand.rate_hour_max = Micros(static_cast<std::int64_t>(random->below(4)));
      order.demand.requirements.set_query(random->below(2) == 0 ? "" : "gpu_ram>=8");
      order.quoted_at = now;
      order.quote_until = random->below(2) == 0 ? Time{} : now + Duration(20);
      waiting.insert({order.turn, order.id});
      naive[{order.turn, order.id}] = &order;
    }
    ASSERT_EQ(waiting.size(), naive.size());
    const Turn any{random->below(1'100), OrderId(random->below(300))};
    const auto behind_any = naive.lower_bound(any);
    EXPECT_EQ(waiting.rank(any),
              static_cast<std::size_t>(std::distance(naive.begin(), behind_any)));
    EXPECT_EQ(waiting.contains(any), naive.contains(any));
    std::vector<Turn> seen;
    waiting.visit(any, [&](const Turn& turn) {
      seen.push_back(turn);
      return seen.size() < 5;
    });
    auto at = behind_any;
    for (const Turn& turn : seen) EXPECT_EQ(turn, (at++)->first);
    if (!naive.empty()) {
      const std::size_t rank = random->below(naive.size());
      EXPECT_EQ(waiting.at(rank),
                std::next(naive.begin(), static_cast<std::ptrdiff_t>(rank))->first);
    }
    if (random->below(4) != 0) continue;
    waiting.begin_command();
    ASSERT_TRUE(
        waiting.gather(now, [&](OrderId order_id) -> Order& { return orders.at(order_id.value); }));
    std::size_t members = 0;
    for (const auto& [key, group] : waiting.groups()) {
      members += group->plain.size() + group->quoted.size();
      const Order* first = nullptr;
      for (const auto* set : {&group->plain, &group->quoted}) {
        for (const Turn& turn : *set) {
          const Order& member = *naive.at(turn);
          EXPECT_EQ(member.group, group.get());
          EXPECT_EQ(set == &group->quoted, now < member.quote_until);
          if (set == &group->quoted) {
            EXPECT_LE(group->quoted_from, member.quoted_at);
          }
          if (first == nullptr) first = &member;
          EXPECT_EQ(member.demand.rate_hour_max, first->demand.rate_hour_max);
          EXPECT_EQ(member.demand.requirements.query(), first->demand.requirements.query());
        }
      }
      EXPECT_NE(first, nullptr);
    }
    EXPECT_EQ(members, naive.size());
    EXPECT_LE(waiting.groups().size(), 8U);
  }
}

TEST(WaitingOrders, GroupsAreFoundByTheModelsThatTheyName) {
  WaitingOrders waiting;
  std::map<std::uint64_t, Order> orders;
  const auto add = [&](std::uint64_t id, const std::string& query) {
    Order& order = orders[id];
    order.id = OrderId(id);
    order.turn = id;
    QueryError error;
    order.demand.query = *Query::parse(query, error);
    order.demand.requirements.set_query(query);
    waiting.insert({order.turn, order.id});
  };
  add(1, "");
  add(2, "gpu_name=RTX_4090");
  add(3, "gpu_name=RTX_4090 gpu_ram>=8");
  add(4, "gpu_name in [H100,RTX_4090,H100]");
  add(5, "gpu_name!=H100");
  waiting.begin_command();
  ASSERT_TRUE(waiting.gather(Time{1}, [&](OrderId id) -> Order& { return orders.at(id.value); }));
  EXPECT_EQ(waiting.groups_naming("").size(), 2U);
  EXPECT_EQ(waiting.groups_naming("rtx_4090").size(), 3U);
  EXPECT_EQ(waiting.groups_naming("h100").size(), 1U);
  EXPECT_EQ(waiting.groups_naming("a100").size(), 0U);
  waiting.erase({4, OrderId(4)}, orders.at(4));
  EXPECT_EQ(waiting.groups_naming("rtx_4090").size(), 2U);
  EXPECT_EQ(waiting.groups_naming("h100").size(), 0U);
}

// Each order is searched for by itself.
Limits one_by_one(std::size_t tests) {
  Limits limits;
  limits.waiting_grouped_min = std::numeric_limits<std::size_t>::max();
  limits.misses_kept_max = 0;
  limits.tests_per_command_max = tests;
  return limits;
}

// Two machines with the same commands: one asks each waiting order for itself, the other one does
// not.
class Twins {
 public:
  Twins(std::uint64_t seed, const Limits& each, const Limits& together)
      : random_(seeded_random(seed)), each_(each), together_(together) {}

  std::uint64_t below(std::uint64_t bound) { return random_->below(bound); }
  const Machine& market() const { return each_; }

  void apply(const v1::Command& command) {
    now_ = now_ + milliseconds(static_cast<std::int64_t>(below(200)));
    const LogIndex index(each_.last_index().value + 1);
    Events one, other;
    each_.apply(index, now_, command, one);
    together_.apply(index, now_, command, other);
    ASSERT_TRUE(are_same_events(one, other)) << "command " << index.value << "\n"
                                             << events_text(one) << "together:\n"
                                             << events_text(other);
    ASSERT_EQ(each_.next_deadline(), together_.next_deadline());
    if (index.value % 16 == 0) {
      ASSERT_EQ(each_.digest(), together_.digest()) << "command " << index.value;
      together_.check_invariants();
    }
  }
  void pass(Duration time) { now_ = now_ + time; }

 private:
  std::unique_ptr<Random> random_;
  Machine each_;
  Machine together_;
  Time now_{1'700'000'000'000'000};
};

// Few nodes whose prices move, and many orders for them, some by quotes and some with deadlines.
// `bids`: half of them are of spot, and no two of any tier alike.
class Queue {
 public:
  Queue(std::uint64_t seed, const Limits& each, const Limits& together, bool bids = false)
      : twins_(seed, each, together), bids_(bids) {
    v1::Command found = test_found();
    found.mutable_found()->mutable_policy()->set_price_interval_us(minutes(1).value);
    found.mutable_found()->mutable_policy()->set_fair_turns(seed % 2 == 0);
    twins_.apply(found);
    for (int i = 0; i < 4; ++i) open_renter();
    v1::Command provider;
    provider.mutable_open_account()->set_name("provider");
    provider.mutable_open_account()->add_scopes(v1::PROVIDER);
    const std::uint64_t id = next_id();
    twins_.apply(provider);
    for (std::uint64_t i = 1; i <= 6; ++i) add_node(id, i);
  }

  void run(int steps) {
    for (int i = 0; i < steps; ++i) {
      step();
      most_waiting_ = std::max(most_waiting_, twins_.market().counts().orders_waiting);
      if (testing::Test::HasFatalFailure()) return;
    }
  }
  std::size_t most_waiting() const { return most_waiting_; }

 private:
  std::uint64_t next_id() const { return (twins_.market().last_index().value + 1) * 4'096; }

  void open_renter() {
    v1::Command renter;
    renter.mutable_open_account()->set_name("renter");
    renter.mutable_open_account()->add_scopes(v1::RENTER);
    renters_.push_back(next_id());
    twins_.apply(renter);
    v1::Command deposit;
    deposit.mutable_deposit()->set_account(renters_.back());
    deposit.mutable_deposit()->set_amount_micros(900'000'000'000);
    deposit.mutable_deposit()->set_reference(std::to_string(renters_.back()));
    twins_.apply(deposit);
  }
  void add_node(std::uint64_t provider, std::uint64_t number) {
    v1::Command token;
    token.mutable_create_join_token()->set_account(provider);
    token.mutable_create_join_token()->set_secret_hash(test_hash(number));
    token.mutable_create_join_token()->set_uses_max(1);
    twins_.apply(token);
    v1::Command join;
    join.mutable_join_node()->set_secret_hash(test_hash(number));
    join.mutable_join_node()->set_public_key(test_hash(100 + number));
    *join.mutable_join_node()->mutable_facts() = test_facts(
        1 + static_cast<std::uint32_t>(number % 3), number % 2 ? "RTX_4090" : "RTX_3090");
    nodes_.push_back(next_id());
    twins_.apply(join);
    link(nodes_.back(), true);
    offer(nodes_.back());
  }
  void link(std::uint64_t node, bool connected) {
    v1::Command command;
    command.mutable_set_node_link()->set_node(node);
    command.mutable_set_node_link()->set_connected(connected);
    twins_.apply(command);
  }
  void offer(std::uint64_t node) {
    v1::Command command;
    command.mutable_set_offer()->set_node(node);
    command.mutable_set_offer()->set_device_hour_micros(
        static_cast<std::int64_t>(100'000 + 50'000 * twins_.below(5)));
    command.mutable_set_offer()->set_spot(bids_ || twins_.below(2) == 0);
    if (bids_) {
      v1::SetOffer& offer = *command.mutable_set_offer();
      offer.set_spot_floor_micros(40'000);
      if (twins_.below(2) == 0) offer.set_duration_us_max(hours(4).value);
      offer.mutable_discounts()->set_hour_basis_points(2'000);
      offer.mutable_discounts()->set_day_basis_points(2'000);
      offer.mutable_discounts()->set_week_basis_points(2'000);
      offer.mutable_discounts()->set_month_basis_points(2'000);
    }
    twins_.apply(command);
  }
  void submit() {
    static const char* const kQueries[] = {"", "gpu_name=RTX_4090", "gpu_ram>=8", "price<0.21"};
    v1::Command command;
    v1::SubmitOrder& order = *command.mutable_submit_order();
    order.set_account(renters_[twins_.below(renters_.size())]);
    order.set_name("job");
    order.set_wait(true);
    order.mutable_workload()->add_command("true");
    v1::Requirements& wanted = *order.mutable_requirements();
    wanted.set_query(kQueries[twins_.below(4)]);
    wanted.set_gpus(1 + static_cast<std::uint32_t>(twins_.below(6) == 0));
    wanted.set_nodes(1 + static_cast<std::uint32_t>(twins_.below(12) == 0));
    wanted.set_duration_us(hours(1).value);
    if (bids_) {
      draw_bid(wanted);
    } else if (twins_.below(8) == 0) {
      wanted.set_tier(v1::SPOT);
      wanted.set_price_per_hour_micros_max(300'000);
    }
    if (wanted.tier() == v1::TIER_UNSPECIFIED && twins_.below(10) == 0 && wanted.nodes() == 1) {
      order.set_deadline_after_us((Duration(wanted.duration_us()) + hours(2)).value);
    }
    order.set_tasks(wanted.nodes() * (1 + static_cast<std::uint32_t>(twins_.below(2))));
    if (twins_.below(2) == 0) {
      const auto estimate = twins_.market().estimate(wanted, order.tasks(), twins_.market().now());
      if (estimate) *order.mutable_quote() = estimate->quote;
    }
    twins_.apply(command);
  }
  void draw_bid(v1::Requirements& wanted) {
    const auto between = [&](std::int64_t least, std::int64_t span) {
      return least + static_cast<std::int64_t>(twins_.below(static_cast<std::uint64_t>(span)));
    };
    wanted.set_duration_us(between(minutes(20).value, hours(8).value));
    switch (twins_.below(8)) {
      case 0:
        return;
      case 1:
      case 2:
        wanted.set_tier(v1::RESERVED);
        return;
      case 3:
        wanted.set_tier(v1::RESERVED);
        wanted.set_price_per_hour_micros_max(between(50'000, 300'000));
        return;
      default:
        wanted.set_tier(v1::SPOT);
        wanted.set_nodes(1);
        wanted.set_price_per_hour_micros_max(between(30'000, 400'000));
    }
  }
  void end_some() {
    std::vector<const Lease*> open;
    twins_.market().visit_leases_newest(LeaseId(0), [&](const Lease& lease) {
      if (is_open(lease)) open.push_back(&lease);
      return open.size() < 12;
    });
    if (open.empty()) return;
    const Lease& lease = *open[twins_.below(open.size())];
    v1::Command command;
    command.mutable_observe()->set_node(lease.node.value);
    v1::WorkloadReport& report = *command.mutable_observe()->add_workloads();
    report.set_lease(lease.id.value);
    const bool over = twins_.below(2) == 0;
    report.set_state(over ? v1::ENDED : v1::RUNNING);
    constexpr v1::EndReason kReasons[] = {v1::COMPLETED, v1::COMPLETED, v1::EXIT_CODE,
                                          v1::DEVICE_FAULT, v1::START_FAILED};
    if (over) report.set_reason(kReasons[twins_.below(5)]);
    v1::MeterRecord& meter = *report.add_meters();
    meter.set_lease(lease.id.value);
    meter.set_sequence(lease.meter_sequence + 1);
    meter.set_running_us((twins_.market().now() - lease.placed_at).value);
    twins_.apply(command);
  }
  void hear_all() {
    for (const std::uint64_t node : nodes_) {
      v1::Command command;
      command.mutable_observe()->set_node(node);
      for (const LeaseId id : twins_.market().node(NodeId(node))->leases) {
        v1::WorkloadReport& report = *command.mutable_observe()->add_workloads();
        report.set_lease(id.value);
        report.set_state(v1::RUNNING);
      }
      twins_.apply(command);
    }
  }
  void step() {
    const std::uint64_t kind = twins_.below(100);
    if (kind < 45) return submit();
    if (kind < 75) return end_some();
    if (kind < 80) return offer(nodes_[twins_.below(nodes_.size())]);
    if (kind < 84) {
      const std::uint64_t node = nodes_[twins_.below(nodes_.size())];
      return link(node, !twins_.market().node(NodeId(node))->connected);
    }
    if (kind < 88) return hear_all();
    if (kind < 90) {
      v1::Command stop;
      twins_.market().visit_orders_newest(OrderId(0), [&](const Order& order) {
        stop.mutable_stop_order()->set_order(order.id.value);
        return twins_.below(20) != 0;
      });
      if (stop.has_stop_order()) twins_.apply(stop);
      return;
    }
    if (kind < 92) twins_.pass(seconds(static_cast<std::int64_t>(twins_.below(90))));
    v1::Command tick;
    tick.mutable_tick();
    twins_.apply(tick);
  }

  Twins twins_;
  const bool bids_;
  std::vector<std::uint64_t> renters_;
  std::vector<std::uint64_t> nodes_;
  std::size_t most_waiting_ = 0;
};

TEST(WaitingOrders, GroupsChangeNoAnswer) {
  for (const std::size_t tests : {std::size_t{3}, std::size_t{40}, std::size_t{8'192}}) {
    Limits grouped = one_by_one(tests);
    grouped.waiting_grouped_min = 0;
    for (std::uint64_t seed = 1; seed <= 4 / kShorter; ++seed) {
      SCOPED_TRACE(fmt::format("seed {} tests {}", seed, tests));
      Queue crowd(seed, one_by_one(tests), grouped);
      crowd.run(1'500);
      ASSERT_FALSE(HasFatalFailure());
      EXPECT_GT(crowd.most_waiting(), 100U);
    }
  }
}

TEST(WaitingOrders, MissesChangeNoAnswer) {
  for (const std::size_t kept : {std::size_t{1}, Limits().misses_kept_max}) {
    Limits missing = one_by_one(Limits().tests_per_command_max);
    missing.misses_kept_max = kept;
    for (std::uint64_t seed = 11; seed <= 10 + 6 / kShorter; ++seed) {
      SCOPED_TRACE(fmt::format("seed {} kept {}", seed, kept));
      Queue crowd(seed, one_by_one(Limits().tests_per_command_max), missing, true);
      crowd.run(1'500);
      ASSERT_FALSE(HasFatalFailure());
      EXPECT_GT(crowd.most_waiting(), 100U);
    }
  }
}

}  // namespace
}  // namespace fallow::core
