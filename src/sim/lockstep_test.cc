// The market beside its naive models, on random commands: valid ones, late ones, repeated ones and
// nonsense, without hub, agents or network between.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/sanitizers.h"
#include "core/machine.h"
#include "sim/naive_ledger.h"
#include "sim/naive_matcher.h"

namespace fallow::sim {
namespace {

constexpr std::uint64_t kOperator = 4096;

core::Limits small_limits() {
  core::Limits limits;
  limits.orders_ended_kept_max = 10;
  limits.orders_open_per_account_max = 6;
  limits.nodes_max = 6;
  limits.nodes_per_gang_max = 4;
  limits.accounts_max = 8;
  limits.releases_max = 4;
  limits.placements_per_command_max = 2;
  limits.matches_per_command_max = 4;
  limits.tests_per_command_max = 4;
  limits.deadlines_per_command_max = 1;
  limits.request_keys_kept_max = 20;
  return limits;
}

class Lockstep {
 public:
  explicit Lockstep(std::uint64_t seed)
      : random_(seeded_random(seed)),
        machine_(std::make_unique<core::Machine>(small_limits())),
        ledger_([](const std::string& why) { ADD_FAILURE() << why; }),
        matcher_(small_limits(), [](const std::string& why) { ADD_FAILURE() << why; }) {}

  void begin() {
    v1::Command command;
    v1::Found& found = *command.mutable_found();
    found.set_market_name("m");
    found.set_market_public_key(std::string(32, 'm'));
    found.set_currency("TEST");
    found.set_operator_key_hash(std::string(32, 'o'));
    *found.mutable_policy() = policy();
    apply(command);
  }

  void step() {
    now_ = now_ + Duration(static_cast<std::int64_t>(below(one_in(60) ? 90'000'000 : 2'000'000)));
    v1::Command command = random_command();
    if (one_in(8)) {
      command.set_request_key(std::string(15, 'k') + static_cast<char>('a' + below(20)));
      command.set_request_fingerprint(std::string(8, one_in(4) ? 'x' : 'f'));
    }
    apply(command);
    for (int i = 0; i < 3 && machine_->next_deadline() && *machine_->next_deadline() <= now_; ++i) {
      v1::Command tick;
      tick.mutable_tick();
      apply(tick);
    }
    if (one_in(10)) matcher_.compare(*machine_, *random_);
    if (one_in(100)) restore();
  }

  std::uint64_t charges() const { return ledger_.charges(); }
  std::uint64_t matches() const { return matcher_.matches(); }
  std::uint64_t ended() const { return ended_; }
  std::uint64_t gangs() const { return ledger_.gangs_placed(); }

 private:
  std::uint64_t below(std::uint64_t bound) { return random_->below(bound); }
  bool one_in(std::uint64_t n) { return below(n) == 0; }
  std::uint64_t some(const std::vector<std::uint64_t>& ids) {
    return ids.empty() || one_in(30) ? below(100'000) : ids[below(ids.size())];
  }

  v1::Policy policy() {
    v1::Policy policy;
    policy.set_meter_interval_us(5'000'000);
    policy.set_suspend_after_us(15'000'000);
    policy.set_close_after_us(30'000'000);
    policy.set_waits_for_fence(true);
    policy.set_start_timeout_us(60'000'000);
    policy.set_stop_grace_us(static_cast<std::int64_t>(below(10'000'000)));
    policy.set_owner_notice_us(5'000'000);
    policy.set_fee_basis_points(static_cast<std::uint32_t>(below(10'001)));
    policy.set_credit_basis_points_max(10'000 - policy.fee_basis_points());
    policy.set_bounds_meters(policy.fee_basis_points() % 2 == 0);
    policy.set_counts_until_stop(policy.fee_basis_points() % 3 != 0);
    policy.set_firm_turns(policy.fee_basis_points() % 5 != 0);
    policy.set_firm_proofs(policy.fee_basis_points() % 7 != 0);
    policy.set_proof_interval_us(1'000'000);
    policy.set_holds_deposits(policy.fee_basis_points() % 11 != 0);
    policy.set_payout_delay_us(static_cast<std::int64_t>(below(600'000'000)));
    policy.set_quote_ttl_us(300'000'000);
    policy.set_attempts_max(static_cast<std::uint32_t>(1 + below(4)));
    policy.set_price_interval_us(20'000'000);
    policy.set_price_step_basis_points(300);
    policy.set_use_target_basis_points(7'000);
    policy.set_spot_min_run_us(static_cast<std::int64_t>(below(5'000'000)));
    policy.set_spot_cool_down_us(static_cast<std::int64_t>(below(30'000'000)));
    policy.set_spot_notice_us(static_cast<std::int64_t>(below(10'000'000)));
    for (std::uint32_t i = static_cast<std::uint32_t>(below(3)); i > 0; --i) {
      v1::VolumeDiscount& step = *policy.add_volume_discounts();
      step.set_spent_micros_min(static_cast<std::int64_t>((3 - i) * 200 + below(200)));
      step.set_fee_basis_points(static_cast<std::uint32_t>((3 - i) * 2'500 + below(2'500)));
    }
    return policy;
  }

  void apply(const v1::Command& command) {
    core::Events events;
    index_ += LogIndex(1);
    machine_->apply(index_, now_, command, events);
    machine_->check_invariants();
    for (const v1::Event& event : events) {
      if (event.has_account_opened()) accounts_.push_back(event.account_opened().account());
      if (event.has_node_joined()) nodes_.push_back(event.node_joined().node());
      if (event.has_node_removed()) std::erase(nodes_, event.node_removed().node());
      if (event.has_order_accepted()) orders_.push_back(event.order_accepted().order());
      if (event.has_lease_placed()) leases_.push_back(event.lease_placed().lease());
      if (event.has_payout_requested()) payouts_.push_back(event.payout_requested().payout());
      if (event.has_lease_ended()) {
        ++ended_;
        std::erase(leases_, event.lease_ended().lease());
      }
    }
    ledger_.see(command, events, now_);
    ledger_.compare(*machine_);
  }

  // Another machine goes on where this one stood.
  void restore() {
    std::string bytes;
    machine_->snapshot([&](std::string_view piece) { bytes += piece; });
    auto other = std::make_unique<core::Machine>(small_limits());
    std::size_t at = 0;
    const Status restored =
        other->restore([&](char* into, std::size_t size) -> Result<std::size_t> {
          const std::size_t count = bytes.copy(into, size, at);
          at += count;
          return count;
        });
    ASSERT_TRUE(restored) << restored.error().message;
    EXPECT_EQ(other->digest(), machine_->digest());
    machine_ = std::move(other);
  }

  v1::Command random_command() {
    v1::Command command;
    command.set_actor(one_in(12) ? some(accounts_) : kOperator);
    switch (below(40)) {
      case 0:
        command.mutable_open_account()->set_name("a");
        command.mutable_open_account()->add_scopes(v1::RENTER);
        command.mutable_open_account()->add_scopes(v1::PROVIDER);
        break;
      case 1:
        if (one_in(6)) {
          command.mutable_reverse_deposit()->set_reference("d" + std::to_string(below(200)));
          break;
        }
        command.mutable_deposit()->set_account(some(accounts_));
        command.mutable_deposit()->set_amount_micros(amount());
        command.mutable_deposit()->set_reference("d" + std::to_string(below(200)));
        break;
      case 2:
        command.mutable_withdraw()->set_account(some(accounts_));
        command.mutable_withdraw()->set_amount_micros(amount());
        command.mutable_withdraw()->set_destination("bank");
        break;
      case 3:
        command.mutable_settle_payout()->set_payout(some(payouts_));
        command.mutable_settle_payout()->set_paid(one_in(2));
        break;
      case 4:
        if (one_in(2)) {
          command.mutable_set_budget()->set_account(some(accounts_));
          command.mutable_set_budget()->set_month_micros_max(one_in(2) ? 0 : amount());
        } else {
          command.mutable_set_project()->set_account(some(accounts_));
          command.mutable_set_project()->set_project(one_in(3) ? "" : "p");
          command.mutable_set_project()->set_total_micros_max(one_in(2) ? 0 : amount());
        }
        break;
      case 5:
        if (one_in(4)) {
          command.mutable_set_speed()->set_model(one_in(2) ? "RTX_4090" : "RTX_3090");
          command.mutable_set_speed()->set_workload_class(
              static_cast<v1::WorkloadClass>(1 + below(4)));
          command.mutable_set_speed()->set_speed_thousandths(
              static_cast<std::uint32_t>(below(4) * 900));
          break;
        }
        token_ = std::string(32, static_cast<char>('A' + below(20)));
        command.mutable_create_join_token()->set_account(some(accounts_));
        command.mutable_create_join_token()->set_secret_hash(token_);
        command.mutable_create_join_token()->set_uses_max(1);
        break;
      case 6:
        command.mutable_join_node()->set_secret_hash(token_.empty() ? "x" : token_);
        command.mutable_join_node()->set_public_key(
            std::string(32, static_cast<char>('a' + below(10))));
        set_facts(*command.mutable_join_node()->mutable_facts());
        break;
      case 7:
        command.set_actor(0);
        command.mutable_report_node()->set_node(some(nodes_));
        set_facts(*command.mutable_report_node()->mutable_facts());
        break;
      case 8:
      case 9:
        command.set_actor(0);
        command.mutable_set_node_link()->set_node(some(nodes_));
        command.mutable_set_node_link()->set_connected(!one_in(8));
        break;
      case 10:
        if (one_in(8)) {
          command.mutable_remove_node()->set_node(some(nodes_));
        } else {
          command.mutable_tick();
        }
        break;
      case 11:
      case 12:
        command.mutable_set_offer()->set_node(some(nodes_));
        command.mutable_set_offer()->set_device_hour_micros(amount());
        command.mutable_set_offer()->set_disk_gb_hour_micros(static_cast<std::int64_t>(below(99)));
        command.mutable_set_offer()->set_share_thousandths_min(
            static_cast<std::uint32_t>(below(1'001)));
        command.mutable_set_offer()->set_spot(one_in(2));
        if (command.set_offer().spot()) {
          command.mutable_set_offer()->set_spot_floor_micros(
              command.set_offer().device_hour_micros() / static_cast<std::int64_t>(1 + below(6)));
        }
        if (one_in(2)) {
          v1::TermDiscounts& discounts = *command.mutable_set_offer()->mutable_discounts();
          discounts.set_hour_basis_points(static_cast<std::uint32_t>(below(2'000)));
          discounts.set_day_basis_points(static_cast<std::uint32_t>(below(5'500)));
          discounts.set_week_basis_points(one_in(20) ? 1 : 5'000);
          discounts.set_month_basis_points(5'000);
        }
        break;
      case 13:
        if (one_in(4)) {
          command.mutable_withdraw_offer()->set_node(some(nodes_));
        } else if (one_in(6)) {
          command.set_actor(0);
          command.mutable_resume();
        } else {
          command.mutable_tick();
        }
        break;
      case 14:
      case 15:
      case 16:
        set_order(*command.mutable_submit_order());
        break;
      case 17:
        if (one_in(2)) {
          command.mutable_extend_order()->set_order(some(orders_));
          command.mutable_extend_order()->set_more_us(
              one_in(20) ? amount() : static_cast<std::int64_t>(1 + below(300'000'000)));
        } else {
          command.mutable_stop_order()->set_order(some(orders_));
        }
        break;
      case 18:
        command.mutable_stop_lease()->set_lease(some(leases_));
        break;
      case 19:
        if (one_in(10)) {
          *command.mutable_set_policy()->mutable_policy() = policy();
        } else {
          command.mutable_tick();
        }
        break;
      default:
        command.set_actor(0);
        set_observe(*command.mutable_observe());
        break;
    }
    return command;
  }

  std::int64_t amount() {
    constexpr std::array<std::int64_t, 4> kOdd = {0, -1, INT64_MAX, 1'000'000'000'000'000};
    if (one_in(20)) return kOdd[below(kOdd.size())];
    return static_cast<std::int64_t>(1 + below(2'000'000));
  }

  void set_facts(v1::NodeFacts& facts) {
    facts.set_name("n");
    facts.set_region(one_in(2) ? "eu" : "us");
    if (one_in(2)) facts.set_lan(one_in(2) ? "rack 1" : "rack 2");
    facts.set_cpu_thousandths(16'000);
    facts.set_memory_mb(64'000);
    facts.set_disk_mb(100'000);
    facts.set_isolation(v1::BUBBLEWRAP);
    for (std::uint32_t i = 0; i <= below(2); ++i) {
      v1::Device& device = *facts.add_devices();
      device.set_index(i);
      device.set_uuid("GPU-" + std::to_string(i));
      device.set_model(one_in(2) ? "RTX_4090" : "RTX_3090");
      device.set_kind(v1::GPU);
      device.set_memory_mb(24'576);
    }
  }

  void set_order(v1::SubmitOrder& order) {
    order.set_account(some(accounts_));
    order.set_name("o");
    *order.mutable_requirements() = random_requirements(*random_);
    const std::uint32_t nodes = std::max(order.requirements().nodes(), 1U);
    order.set_tasks(nodes * static_cast<std::uint32_t>(1 + below(3)));
    if (one_in(40)) order.set_tasks(order.tasks() + 1);
    order.set_wait(!one_in(3));
    order.mutable_workload()->add_command("true");
    if (one_in(3)) order.set_budget_micros_max(amount() / 10);
    if (one_in(20)) order.set_project("p");
    if (order.requirements().nodes() < 2 && one_in(4)) {
      order.set_restart_us(seconds(static_cast<std::int64_t>(below(60))).value);
      order.set_deadline_after_us(order.requirements().duration_us() + order.restart_us() +
                                  minutes(static_cast<std::int64_t>(below(30))).value);
    }
    if (one_in(3)) {
      const auto estimate = machine_->estimate(order.requirements(), order.tasks(), now_);
      if (!estimate) return;
      *order.mutable_quote() = estimate->quote;
      *order.mutable_requirements() = estimate->quote.requirements();
    }
  }

  void set_observe(v1::Observe& observe) {
    observe.set_node(some(nodes_));
    observe.set_owner(one_in(40) ? v1::OWNER_PRESENT : v1::OWNER_AWAY);
    const core::Node* node = machine_->node(NodeId(observe.node()));
    if (node == nullptr) return;
    observe.set_desired_revision(node->desired_revision - (one_in(6) ? 1 : 0));
    observe.set_complete(!one_in(5));
    for (const LeaseId id : node->leases) {
      if (one_in(60)) continue;
      const core::Lease& lease = *machine_->lease(id);
      v1::WorkloadReport& report = *observe.add_workloads();
      report.set_lease(id.value);
      constexpr std::array kStates = {v1::STARTING, v1::RUNNING, v1::RUNNING, v1::SUSPENDED};
      report.set_state(one_in(15) ? v1::ENDED : kStates[below(kStates.size())]);
      report.set_reason(static_cast<v1::EndReason>(below(21)));
      report.set_exit_code(one_in(5) ? 1 : 0);
      std::int64_t running = lease.proven.value;
      for (std::uint32_t i = 0; i < below(3); ++i) {
        running += static_cast<std::int64_t>(below(2'000'000)) - (one_in(30) ? 5'000'000 : 0);
        v1::MeterRecord& meter = *report.add_meters();
        meter.set_lease(id.value);
        meter.set_sequence(lease.meter_sequence + 1 + i + (one_in(15) ? 1 : 0));
        meter.set_running_us(one_in(40) ? INT64_MAX : running);
        meter.set_slowed_us(running % 11 == 0 ? -1 : running / 3);
      }
    }
  }

  std::unique_ptr<Random> random_;
  std::unique_ptr<core::Machine> machine_;
  NaiveLedger ledger_;
  NaiveMatcher matcher_;
  Time now_{1'700'000'000'000'000};
  LogIndex index_;
  std::string token_;
  std::vector<std::uint64_t> accounts_, nodes_, orders_, leases_, payouts_;
  std::uint64_t ended_ = 0;
};

TEST(Lockstep, MarketAndNaiveModelsAgreeOnRandomCommands) {
  std::uint64_t charges = 0;
  std::uint64_t matches = 0;
  std::uint64_t ended = 0;
  std::uint64_t gangs = 0;
  // Half of them under sanitizers: a quarter has too few gangs.
  for (std::uint64_t seed = 1; seed <= (kHasSanitizer ? 12 : 24); ++seed) {
    SCOPED_TRACE(seed);
    Lockstep lockstep(seed);
    lockstep.begin();
    for (int i = 0; i < 2'000; ++i) {
      lockstep.step();
      if (testing::Test::HasFailure()) return;
    }
    charges += lockstep.charges();
    matches += lockstep.matches();
    ended += lockstep.ended();
    gangs += lockstep.gangs();
  }
  EXPECT_GT(charges, 1'000U / kShorter) << "the commands are too wild to show anything";
  EXPECT_GT(matches, 100U / kShorter) << "the commands are too wild to show anything";
  EXPECT_GT(ended, 300U / kShorter) << "the commands are too wild to show anything";
  EXPECT_GT(gangs, 50U / kShorter) << "the commands are too wild to show anything";
}

// A model that never differs from anything would prove nothing.
TEST(Lockstep, NaiveLedgerNoticesAWrongCharge) {
  std::vector<std::string> differences;
  NaiveLedger ledger([&](std::string why) { differences.push_back(std::move(why)); });
  v1::Command command;
  command.mutable_submit_order()->mutable_requirements()->set_duration_us(hours(1).value);
  core::Events events;
  v1::OrderAccepted& accepted = *events.emplace_back().mutable_order_accepted();
  accepted.set_order(1);
  accepted.set_budget_micros(1'000'000);
  v1::LeasePlaced& placed = *events.emplace_back().mutable_lease_placed();
  placed.set_lease(2);
  placed.set_order(1);
  placed.set_rate_hour_micros(1'000'000);
  placed.set_device_hour_micros(1'000'000);
  placed.set_hold_micros(1'000'000);
  ledger.see(command, events, Time{});
  ASSERT_TRUE(differences.empty()) << differences.front();
  events.clear();
  v1::MeterAccepted& meter = *events.emplace_back().mutable_meter_accepted();
  meter.mutable_record()->set_lease(2);
  meter.mutable_record()->set_running_us(minutes(30).value);
  meter.set_proven_us(minutes(30).value);
  meter.set_charged_micros(500'001);  // the half of an hour's price, and one micro
  ledger.see(v1::Command(), events, Time{});
  EXPECT_FALSE(differences.empty());
}

}  // namespace
}  // namespace fallow::sim
