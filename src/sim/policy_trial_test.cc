// Trials of rules on logs that are known: what the model of the present rules comes to is what was,
// and what other rules change is what they say.
#include "sim/policy_trial.h"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <set>
#include <string>

#include "base/money.h"
#include "base/sanitizers.h"
#include "core/policy.h"
#include "engine/recovery.h"
#include "log/memory_log.h"
#include "log/memory_snapshots.h"
#include "sim/chaos.h"
#include "sim/lab_commands.h"

namespace fallow::sim {
namespace {

constexpr Time kBegin{1'793'491'200'000'000};

// A market whose nodes do what the model takes them to do: start within two seconds, run their
// time.
class FactMarket {
 public:
  explicit FactMarket(const v1::Policy& policy) {
    apply(found_command("fact", policy));
    renter_ = made(account_command(v1::RENTER));
    apply(deposit_command(renter_, Micros(900'000'000), 1));
    provider_ = made(account_command(v1::PROVIDER));
    apply(join_token_command(provider_, made_up_key(2, 0), 64));
  }

  std::uint64_t add_node(Micros device_hour) {
    v1::Command join;
    join.mutable_join_node()->set_secret_hash(made_up_key(2, 0));
    join.mutable_join_node()->set_public_key(made_up_key(3, nodes_.size()));
    MadeUpNode node;
    node.number = nodes_.size();
    node.region = "eu";
    node.model = "RTX_4090";
    node.device_memory_mb = 24'000;
    node.devices = 1;
    node.cpu_thousandths = 8'000;
    node.memory_mb = 32'000;
    node.disk_mb = 100'000;
    *join.mutable_join_node()->mutable_facts() = facts_of(node);
    const std::uint64_t id = made(join);
    apply(link_command(NodeId(id), true));
    apply(offer_command(NodeId(id), device_hour));
    nodes_.insert(id);
    return id;
  }
  void link(std::uint64_t node, bool connected) {
    apply(link_command(NodeId(node), connected));
    if (connected) {
      nodes_.insert(node);
    } else {
      nodes_.erase(node);
    }
  }
  // Tasks that run so long by themselves; none: until they are stopped.
  std::uint64_t order(std::uint32_t tasks, Duration run, Duration limit = hours(1)) {
    v1::Command command;
    v1::SubmitOrder& submit = *command.mutable_submit_order();
    submit.set_account(renter_);
    submit.set_tasks(tasks);
    submit.set_wait(true);
    submit.mutable_workload()->add_command("true");
    submit.mutable_requirements()->set_duration_us(limit.value);
    runs_[first_id_of(machine_.last_index() + LogIndex(1))] = run;
    return made(command);
  }
  void stop(std::uint64_t order) {
    v1::Command command;
    command.mutable_stop_order()->set_order(order);
    apply(command);
  }
  void stop_lease_of(std::uint64_t order) {
    v1::Command command;
    command.mutable_stop_lease()->set_lease(machine_.order(OrderId(order))->tasks[0].lease.value);
    apply(command);
  }
  void live(Duration time) {
    const Time until = now_ + time;
    while (now_ < until) {
      const Time next = std::min(until, now_ + seconds(1));
      while (machine_.next_deadline() && *machine_.next_deadline() <= next) {
        now_ = std::max(now_, *machine_.next_deadline());
        v1::Command tick;
        tick.mutable_tick();
        apply(tick);
      }
      now_ = next;
      for (const std::uint64_t node : nodes_) report(node);
    }
  }
  void owner(std::uint64_t node, v1::OwnerState state) {
    v1::Command command;
    command.mutable_observe()->set_node(node);
    command.mutable_observe()->set_owner(state);
    apply(command);
  }

  log::MemoryLog& log() { return log_; }
  const core::Machine& machine() const { return machine_; }
  std::uint64_t renter() const { return renter_; }

 private:
  const core::Events& apply(const v1::Command& command) {
    const std::string bytes = command.SerializeAsString();
    const std::array<std::string_view, 1> payloads = {bytes};
    const auto appended = log_.append(payloads, now_);
    EXPECT_TRUE(appended);
    events_.clear();
    machine_.apply(appended->last, appended->time, command, events_);
    for (const v1::Event& event : events_) {
      EXPECT_FALSE(event.has_refused()) << event.ShortDebugString();
    }
    return events_;
  }
  std::uint64_t made(const v1::Command& command) {
    apply(command);
    return first_id_of(machine_.last_index());
  }
  void report(std::uint64_t node) {
    v1::Command command;
    v1::Observe& observe = *command.mutable_observe();
    observe.set_node(node);
    for (const LeaseId id : machine_.node(NodeId(node))->leases) {
      const core::Lease& lease = *machine_.lease(id);
      v1::WorkloadReport& workload = *observe.add_workloads();
      workload.set_lease(id.value);
      const Duration ran = now_ - lease.placed_at - seconds(2);
      const Duration run = runs_.at(lease.order.value);
      const bool over = run.value > 0 && ran >= run;
      if (ran.value > 0) {
        const bool stops = lease.state == v1::STOPPING;
        const Duration until_stop = lease.stopping_at - lease.placed_at - seconds(2);
        const Duration metered = std::min(over ? run : ran, stops ? until_stop : ran);
        add_meter(workload, lease.meter_sequence + 1, metered, now_);
      }
      const bool stopped = lease.state == v1::STOPPING && now_ >= lease.stopping_at + seconds(1);
      workload.set_state(over || stopped ? v1::ENDED : ran.value < 0 ? v1::STARTING : v1::RUNNING);
      if (workload.state() == v1::ENDED) workload.set_reason(over ? v1::COMPLETED : v1::STOPPED);
    }
    if (observe.workloads_size() > 0) apply(command);
  }

  log::MemoryLog log_;
  core::Machine machine_;
  core::Events events_;
  Time now_ = kBegin;
  std::uint64_t renter_ = 0, provider_ = 0;
  std::set<std::uint64_t> nodes_;           // that are linked
  std::map<std::uint64_t, Duration> runs_;  // by order
};

v1::Policy steady_policy() {
  v1::Policy policy = core::default_policy();
  policy.set_price_interval_us(0);
  policy.set_meter_interval_us(seconds(1).value);  // as FactMarket reports
  return policy;
}

v1::PolicyTrialView tried(log::LogReader& log, const std::function<void(v1::Policy&)>& change,
                          Duration span = hours(24), log::SnapshotStore* snapshots = nullptr) {
  PolicyTrial trial;
  trial.change = [&](v1::Policy& policy) -> Status {
    change(policy);
    return {};
  };
  trial.span = span;
  const auto done = try_policy(log, snapshots, {}, trial);
  EXPECT_TRUE(done) << (done ? "" : done.error().message);
  return done ? *done : v1::PolicyTrialView();
}

void as_it_is(v1::Policy& /*policy*/) {}

std::int64_t micros_of(const std::string& text) { return parse_money(text)->value; }

// Two nodes, three jobs, tasks that wait for each other; then an end.
void busy_hour(FactMarket& market) {
  market.add_node(Micros(360'000));
  market.add_node(Micros(720'000));
  market.live(seconds(5));
  market.order(3, seconds(60));
  market.live(seconds(30));
  market.order(2, seconds(100));
  market.order(1, Duration());
  market.live(minutes(20));
}

TEST(PolicyTrial, TheModelOfThePresentRulesIsWhatWas) {
  FactMarket market(steady_policy());
  busy_hour(market);
  const v1::PolicyTrialView view = tried(market.log(), as_it_is);
  EXPECT_EQ(view.state(), v1::TRIAL_DONE);
  EXPECT_EQ(view.fact().orders(), 3U);
  EXPECT_EQ(view.fact().tasks_done(), 4U) << "one waits on behind what does not end";
  EXPECT_GT(view.fact().wait_seconds_mean(), 0) << "somebody waited";
  EXPECT_EQ(view.now().ShortDebugString(), view.fact().ShortDebugString());
  EXPECT_EQ(view.tried().ShortDebugString(), view.now().ShortDebugString());
  EXPECT_EQ(view.difference().ShortDebugString(), "");
  EXPECT_EQ(view.notes_size(), 1) << "that people do what they did is always said";
  EXPECT_EQ(view.span_until().seconds(), (market.machine().now().us) / 1'000'000);
}

TEST(PolicyTrial, AnotherFeeMovesMoneyBetweenMarketAndProviders) {
  FactMarket market(steady_policy());
  busy_hour(market);
  const v1::PolicyTrialView view =
      tried(market.log(), [](v1::Policy& policy) { policy.set_fee_basis_points(1'000); });
  EXPECT_EQ(view.present().fee_basis_points(), 500U);
  EXPECT_EQ(view.policy().fee_basis_points(), 1'000U);
  EXPECT_EQ(view.tried().charged(), view.now().charged()) << "the renter's price has the fee in it";
  const std::int64_t before = micros_of(view.now().fee());
  const std::int64_t after = micros_of(view.tried().fee());
  EXPECT_GT(before, 0);
  // Each charge rounds its fee down.
  EXPECT_NEAR(static_cast<double>(after), 2.0 * static_cast<double>(before),
              2.0 * static_cast<double>(view.now().leases()));
  EXPECT_EQ(micros_of(view.tried().earned()), micros_of(view.tried().charged()) - after);
}

TEST(PolicyTrial, LongerSilenceSavesLeasesThatItCostInFact) {
  FactMarket market(steady_policy());
  const std::uint64_t node = market.add_node(Micros(360'000));
  market.add_node(Micros(720'000));  // where the task goes on
  market.order(1, minutes(10));
  market.live(minutes(2));
  market.link(node, false);
  market.live(minutes(1));  // longer than close_after
  market.link(node, true);
  market.live(minutes(30));
  const v1::PolicyTrialView view =
      tried(market.log(), [](v1::Policy& policy) { policy.set_close_after_us(minutes(5).value); });
  EXPECT_EQ(view.fact().leases_lost(), 1U);
  EXPECT_EQ(view.now().leases_lost(), 1U);
  EXPECT_EQ(view.tried().leases_lost(), 0U);
  EXPECT_EQ(view.now().leases(), 2U);
  EXPECT_EQ(view.tried().leases(), 1U);
  EXPECT_EQ(view.tried().tasks_done(), 1U);
  EXPECT_GT(micros_of(view.now().refunded()), 0);
  EXPECT_EQ(view.tried().refunded(), "0.00");
}

TEST(PolicyTrial, OwnersComeHomeAsTheyDid) {
  FactMarket market(steady_policy());
  const std::uint64_t node = market.add_node(Micros(360'000));
  market.order(1, minutes(3));
  market.live(minutes(1));
  market.owner(node, v1::OWNER_PRESENT);
  market.live(minutes(2));
  market.owner(node, v1::OWNER_AWAY);
  market.live(minutes(10));
  const v1::PolicyTrialView view = tried(market.log(), as_it_is);
  EXPECT_EQ(view.now().leases_lost(), 1U);
  EXPECT_EQ(view.now().leases(), 2U);
  EXPECT_EQ(view.now().tasks_done(), 1U);
}

TEST(PolicyTrial, StopsAreOfTheSameTasks) {
  FactMarket market(steady_policy());
  market.add_node(Micros(360'000));
  const std::uint64_t first = market.order(1, Duration());
  const std::uint64_t second = market.order(2, Duration());
  market.live(minutes(1));
  market.stop_lease_of(first);
  market.live(minutes(1));
  market.stop(second);
  market.order(1, seconds(30));
  market.live(minutes(1));
  const v1::PolicyTrialView view = tried(market.log(), as_it_is);
  EXPECT_EQ(view.now().ShortDebugString(), view.fact().ShortDebugString());
  EXPECT_EQ(view.now().tasks_done(), 1U);
  EXPECT_EQ(view.now().orders_waiting(), 0U);
}

TEST(PolicyTrial, ASpanBeginsWhereItSaysWithOrWithoutASnapshot) {
  FactMarket market(steady_policy());
  market.add_node(Micros(360'000));
  log::MemorySnapshots snapshots(9);
  for (int hour = 0; hour < 4; ++hour) {
    market.order(2, minutes(20));
    market.live(hours(1));
    const auto recovered = engine::recover(market.log(), nullptr, {}, {}, nullptr);
    ASSERT_TRUE(recovered);
    ASSERT_TRUE(engine::save(*recovered->machine, recovered->head, snapshots, nullptr));
  }
  const v1::PolicyTrialView all = tried(market.log(), as_it_is);
  EXPECT_EQ(all.fact().orders(), 4U);
  const Duration span = hours(1) + minutes(30);
  v1::PolicyTrialView plain = tried(market.log(), as_it_is, span);
  EXPECT_EQ(plain.snapshot_index(), 0U);
  EXPECT_EQ(plain.fact().orders(), 1U);
  EXPECT_GT(plain.fact().tasks_done(), 2U) << "what ran when it began is in it";
  EXPECT_EQ(plain.now().ShortDebugString(), plain.fact().ShortDebugString());
  v1::PolicyTrialView quick = tried(market.log(), as_it_is, span, &snapshots);
  EXPECT_GT(quick.snapshot_index(), 0U);
  EXPECT_LT(quick.snapshot_index(), quick.first_index());
  quick.clear_snapshot_index();
  EXPECT_EQ(quick.SerializeAsString(), plain.SerializeAsString());
}

TEST(PolicyTrial, IsBrokenOffWhenItIsToldTo) {
  FactMarket market(steady_policy());
  busy_hour(market);
  int asked = 0;
  PolicyTrial trial;
  trial.change = [](v1::Policy&) -> Status { return {}; };
  for (const int allowed : {0, 10, 2'000}) {
    asked = 0;
    trial.go_on = [&] { return ++asked <= allowed; };
    const auto done = try_policy(market.log(), nullptr, {}, trial);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, ErrorCode::kTimedOut) << allowed;
  }
}

TEST(PolicyTrial, RulesThatTheMarketWouldRefuseAreRefused) {
  FactMarket market(steady_policy());
  PolicyTrial trial;
  trial.change = [](v1::Policy& policy) -> Status {
    policy.set_fee_basis_points(10'001);
    return {};
  };
  const auto refused = try_policy(market.log(), nullptr, {}, trial);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalid);
  EXPECT_NE(refused.error().message.find("10001"), std::string::npos);
  log::MemoryLog empty;
  EXPECT_EQ(try_policy(empty, nullptr, {}, trial).error().code, ErrorCode::kNotFound);
}

// Logs of markets in which everything fails that can.
TEST(PolicyTrial, TakesAnyLog) {
  for (const std::uint64_t seed : {3U, 11U}) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    if (kHasSanitizer && seed > 3) break;
    ChaosOptions options;
    options.seed = seed;
    options.chaos = minutes(20);
    options.look_at_log = [](log::LogReader& log) {
      const auto head = log.head();
      const v1::PolicyTrialView view = tried(log, [](v1::Policy& policy) {
        policy.set_close_after_us(policy.close_after_us() * 3);
        policy.set_fee_basis_points(700);
        policy.set_retry_delay_us(0);
        policy.set_attempts_max(2);
      });
      EXPECT_GT(view.fact().orders(), 0U);
      EXPECT_GT(view.now().leases(), 0U);
      EXPECT_GT(view.tried().leases(), 0U);
      // Who asks again what was refused before asks for the same; so counts may differ by those.
      EXPECT_NEAR(static_cast<double>(view.now().orders()),
                  static_cast<double>(view.fact().orders()),
                  0.1 * static_cast<double>(view.fact().orders()));
      EXPECT_EQ(*log.head(), *head) << "it only reads";
      const v1::PolicyTrialView again = tried(log, [](v1::Policy& policy) {
        policy.set_close_after_us(policy.close_after_us() * 3);
        policy.set_fee_basis_points(700);
        policy.set_retry_delay_us(0);
        policy.set_attempts_max(2);
      });
      EXPECT_EQ(again.SerializeAsString(), view.SerializeAsString()) << "the same every time";
    };
    const ChaosReport report = run_chaos(options);
    EXPECT_EQ(report.failure, "");
  }
}

}  // namespace
}  // namespace fallow::sim
