// What is shown can be reserved: quotes against a market that goes on meanwhile. Prices move,
// owners come and go, offers are withdrawn, connections drop, and other people's jobs begin and
// end.
#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <vector>

#include "base/env.h"
#include "base/sanitizers.h"
#include "core/machine.h"
#include "core/policy.h"
#include "core/test_market.h"

namespace fallow::core {
namespace {

struct Taken {
  std::uint64_t honoured = 0;
  std::uint64_t gone = 0;
  std::uint64_t served_by_next = 0;  // of those: the next best quote was taken at once
  std::uint64_t nothing_left = 0;    // of those: nothing matched at any price
  std::uint64_t taken() const { return honoured + gone; }
};

class Churn {
 public:
  explicit Churn(std::uint64_t seed) : random_(seeded_random(seed)) {
    v1::Command found = test_found();
    v1::Policy& policy = *found.mutable_found()->mutable_policy();
    for (const auto set : {&v1::Policy::set_suspend_after_us, &v1::Policy::set_close_after_us,
                           &v1::Policy::set_start_timeout_us}) {
      (policy.*set)(hours(24).value);
    }
    apply(found);
    provider_ = open(v1::PROVIDER);
    renter_ = open(v1::RENTER);
    for (std::uint64_t i = 0; i < kNodes; ++i) join();
    v1::Command money;
    money.mutable_deposit()->set_account(renter_);
    money.mutable_deposit()->set_amount_micros(100'000'000'000'000);
    money.mutable_deposit()->set_reference("all");
    apply(money);
    while (leases_.size() < kNodes / 2) begin_job();
  }

  // A second of the market's life.
  void step() {
    now_ = now_ + seconds(1);
    // Each node's price moves every 10 minutes, its owner comes or goes every half an hour, its
    // offer is withdrawn or made anew and its connection lost or made every few hours.
    each_node_in(600, [&](std::uint64_t node) { set_price(node); });
    each_node_in(1'800, [&](std::uint64_t node) { toggle_owner(node); });
    each_node_in(3 * 3'600, [&](std::uint64_t node) { toggle_offer(node); });
    each_node_in(3 * 3'600, [&](std::uint64_t node) { toggle_link(node); });
    // A job begins and ends every two seconds: half of the market is in use.
    if (one_in(2)) begin_job();
    if (one_in(2)) end_job();
    if (one_in(50)) machine_.check_invariants();
  }

  // Takes a quote; `wait` as orders do by default, or only what can start now.
  void show(bool wait, Duration thinks) {
    v1::Requirements wanted;
    constexpr const char* kQueries[] = {"", "gpu_name=RTX_4090", "gpu_name=RTX_3090", "region=eu",
                                        "region=us gpu_ram>=20"};
    wanted.set_query(kQueries[below(std::size(kQueries))]);
    wanted.set_gpus(one_in(4) ? 2 : 1);
    wanted.set_duration_us(hours(1).value);
    const auto estimate = machine_.estimate(wanted, 1, now_);
    if (!estimate || (!wait && estimate->tasks_at_once == 0)) return;
    shown_.push_back({now_ + thinks, estimate->quote, wait});
  }

  // Those whose time has come are taken.
  void take_due(Taken& out) {
    for (auto quote = shown_.begin(); quote != shown_.end();) {
      if (quote->at > now_) {
        ++quote;
        continue;
      }
      take(*quote, out);
      quote = shown_.erase(quote);
    }
  }

  std::uint64_t below(std::uint64_t bound) { return random_->below(bound); }
  bool one_in(std::uint64_t n) { return below(n) == 0; }

 private:
  static constexpr std::uint64_t kNodes = 150;

  struct Shown {
    Time at;
    v1::BoundQuote quote;
    bool wait = true;
  };

  const Events& apply(v1::Command command, std::uint64_t actor = 0) {
    command.set_actor(actor);
    events_.clear();
    machine_.apply(LogIndex(machine_.last_index().value + 1), now_, command, events_);
    return events_;
  }
  std::uint64_t next_id() const { return (machine_.last_index().value + 1) * 4'096; }

  std::uint64_t open(v1::Scope scope) {
    v1::Command command;
    command.mutable_open_account()->set_name("somebody");
    command.mutable_open_account()->add_scopes(scope);
    const std::uint64_t id = next_id();
    apply(command);
    return id;
  }

  void join() {
    v1::Command token;
    token.mutable_create_join_token()->set_account(provider_);
    token.mutable_create_join_token()->set_secret_hash(test_hash(next_id()));
    token.mutable_create_join_token()->set_uses_max(1);
    const std::string secret = token.create_join_token().secret_hash();
    apply(token);
    v1::Command join;
    const std::uint64_t node = next_id();
    join.mutable_join_node()->set_secret_hash(secret);
    join.mutable_join_node()->set_public_key(test_hash(node));
    const char* const region = one_in(2) ? "eu" : "us";
    const char* const model = one_in(2) ? "RTX_4090" : "RTX_3090";
    *join.mutable_join_node()->mutable_facts() = test_facts(2, model, region);
    apply(join);
    nodes_.push_back(node);
    set_link(node, true);
    set_price(node);
  }

  template <class Act>
  void each_node_in(std::uint64_t seconds_between, Act&& act) {
    // About kNodes / seconds_between of them, one by one.
    for (std::uint64_t i = 0; i < 3; ++i) {
      if (below(3 * seconds_between) < kNodes) act(nodes_[below(nodes_.size())]);
    }
  }

  void set_price(std::uint64_t node) {
    v1::Command command;
    command.mutable_set_offer()->set_node(node);
    command.mutable_set_offer()->set_device_hour_micros(
        static_cast<std::int64_t>(200'000 + 10'000 * below(60)));
    apply(command);
  }
  void toggle_offer(std::uint64_t node) {
    if (machine_.node(NodeId(node))->offer.id.value == 0) return set_price(node);
    v1::Command command;
    command.mutable_withdraw_offer()->set_node(node);
    apply(command);
  }
  void set_link(std::uint64_t node, bool connected) {
    v1::Command command;
    command.mutable_set_node_link()->set_node(node);
    command.mutable_set_node_link()->set_connected(connected);
    apply(command);
  }
  void toggle_link(std::uint64_t node) { set_link(node, !machine_.node(NodeId(node))->connected); }
  void toggle_owner(std::uint64_t node) {
    v1::Command command;
    command.mutable_observe()->set_node(node);
    const bool away = machine_.node(NodeId(node))->owner == v1::OWNER_AWAY;
    command.mutable_observe()->set_owner(away ? v1::OWNER_PRESENT : v1::OWNER_AWAY);
    apply(command);
  }

  v1::Command order(const v1::Requirements& wanted, bool wait) const {
    v1::Command command;
    v1::SubmitOrder& submit = *command.mutable_submit_order();
    submit.set_account(renter_);
    *submit.mutable_requirements() = wanted;
    submit.set_tasks(1);
    submit.set_wait(wait);
    submit.mutable_workload()->add_command("true");
    return command;
  }

  void begin_job() {
    v1::Requirements wanted;
    if (one_in(2)) wanted.set_query(one_in(2) ? "gpu_name=RTX_4090" : "region=eu");
    wanted.set_duration_us(hours(2).value);
    for (const v1::Event& event : apply(order(wanted, false))) {
      if (event.has_lease_placed()) leases_.push_back(event.lease_placed().lease());
    }
  }

  void end_lease(std::uint64_t id) {
    const Lease* const lease = machine_.lease(LeaseId(id));
    if (lease == nullptr || !is_open(*lease)) return;
    v1::Command command;
    command.mutable_observe()->set_node(lease->node.value);
    v1::WorkloadReport& report = *command.mutable_observe()->add_workloads();
    report.set_lease(id);
    report.set_state(v1::ENDED);
    report.set_reason(v1::COMPLETED);
    apply(command);
  }
  void end_job() {
    if (leases_.empty()) return;
    const std::size_t place = below(leases_.size());
    end_lease(leases_[place]);
    leases_[place] = leases_.back();
    leases_.pop_back();
  }

  // Whether the order was accepted, and under no-wait that it really has a lease; then it is
  // undone.
  bool submit(const v1::BoundQuote& quote, bool wait, v1::Refused& why) {
    v1::Command command = order(quote.requirements(), wait);
    *command.mutable_submit_order()->mutable_quote() = quote;
    std::uint64_t accepted = 0;
    std::vector<std::uint64_t> placed;
    for (const v1::Event& event : apply(command)) {
      if (event.has_refused()) why = event.refused();
      if (event.has_order_accepted()) accepted = event.order_accepted().order();
      if (!event.has_lease_placed()) continue;
      placed.push_back(event.lease_placed().lease());
      EXPECT_LE(event.lease_placed().rate_hour_micros(), quote.task_hour_micros());
    }
    if (accepted == 0) return false;
    if (!wait) {
      EXPECT_EQ(placed.size(), 1U) << "what could start now waits";
    }
    v1::Command stop;
    stop.mutable_stop_order()->set_order(accepted);
    apply(stop);
    for (const std::uint64_t lease : placed) end_lease(lease);
    return true;
  }

  void take(const Shown& shown, Taken& out) {
    v1::Refused why;
    if (submit(shown.quote, shown.wait, why)) {
      ++out.honoured;
      return;
    }
    ASSERT_EQ(why.code(), v1::QUOTE_GONE) << why.message();
    ++out.gone;
    if (!why.has_next_quote()) {
      const auto estimate = machine_.estimate(shown.quote.requirements(), 1, now_);
      EXPECT_TRUE(!estimate || (!shown.wait && estimate->tasks_at_once == 0));
      ++out.nothing_left;
      return;
    }
    EXPECT_GT(why.next_quote().task_hour_micros(), shown.quote.task_hour_micros());
    v1::Refused again;
    EXPECT_TRUE(submit(why.next_quote(), shown.wait, again)) << again.message();
    ++out.served_by_next;
  }

  std::unique_ptr<Random> random_;
  Machine machine_;
  Events events_;
  Time now_{1'700'000'000'000'000};
  std::uint64_t provider_ = 0;
  std::uint64_t renter_ = 0;
  std::vector<std::uint64_t> nodes_;
  std::vector<std::uint64_t> leases_;
  std::deque<Shown> shown_;
};

// Runs `seeds` markets; quotes are taken after 0 to `thinks_max`.
Taken run(std::uint64_t seeds, bool wait, Duration thinks_max) {
  Taken all;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    Churn churn(seed);
    for (int i = 0; i < 400; ++i) {
      for (int n = 0; n < 3; ++n) {
        churn.show(wait, Duration(static_cast<std::int64_t>(
                             churn.below(static_cast<std::uint64_t>(thinks_max.value) + 1))));
      }
      churn.step();
      churn.take_due(all);
      if (testing::Test::HasFailure()) return all;
    }
  }
  return all;
}

// An order waits for its place unless it says otherwise: its price is what a quote binds.
TEST(QuoteChurn, ShownIsReservable) {
  const Taken taken = run(24 / kShorter, true, minutes(5) - seconds(1));
  EXPECT_GT(taken.taken(), 15'000U / kShorter);
  EXPECT_GE(static_cast<double>(taken.honoured) / static_cast<double>(taken.taken()), 0.999)
      << taken.gone << " gone";
  RecordProperty("honoured", std::to_string(taken.honoured));
  RecordProperty("gone", std::to_string(taken.gone));
}

// What must start now is there at the moment that it is shown, or the next best is. Only when the
// last device that matches has gone meanwhile, nothing is.
TEST(QuoteChurn, WhatCanStartNowOrTheNextBest) {
  const Taken taken = run(24 / kShorter, false, seconds(10));
  EXPECT_GT(taken.taken(), 15'000U / kShorter);
  EXPECT_EQ(taken.honoured + taken.served_by_next + taken.nothing_left, taken.taken());
  EXPECT_GE(static_cast<double>(taken.honoured + taken.served_by_next) /
                static_cast<double>(taken.taken()),
            0.999)
      << taken.nothing_left << " of " << taken.taken() << " found nothing";
  EXPECT_GT(taken.served_by_next, 100U / kShorter)
      << "nothing was ever gone: the test shows nothing";
  RecordProperty("honoured", std::to_string(taken.honoured));
  RecordProperty("next_best", std::to_string(taken.served_by_next));
  RecordProperty("nothing_left", std::to_string(taken.nothing_left));
}

TEST(QuoteChurn, WithoutDelayEveryQuoteIsHonoured) {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    Churn churn(seed);
    Taken taken;
    for (int i = 0; i < 200; ++i) {
      churn.show(i % 2 == 0, Duration(0));
      churn.take_due(taken);
      churn.step();
    }
    EXPECT_EQ(taken.gone, 0U);
    EXPECT_GT(taken.honoured, 100U);
  }
}

}  // namespace
}  // namespace fallow::core
