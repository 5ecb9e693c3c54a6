// For tests only: random commands against a machine, sensible and hostile, from one seed.
//
// Owner: one test, one thread. The generator looks at the machine for ids that exist, so the same
// seed against the same machine gives the same commands.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/env.h"
#include "core/lease_proofs.h"
#include "core/machine.h"
#include "core/policy.h"
#include "core/test_team.h"

namespace fallow::core {

// A line for each.
inline std::string events_text(const Events& events) {
  std::string text;
  for (const v1::Event& event : events) text += event.ShortDebugString() + "\n";
  return text;
}

// By their bytes; as texts they are worth making only where they differ.
inline bool are_same_events(const Events& one, const Events& other) {
  return std::equal(one.begin(), one.end(), other.begin(), other.end(),
                    [](const v1::Event& a, const v1::Event& b) {
                      return a.SerializeAsString() == b.SerializeAsString();
                    });
}

inline std::string test_hash(std::uint64_t number) {
  std::string bytes(32, '\0');
  for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(number >> (8 * i));
  return bytes;
}

inline v1::Command test_found() {
  v1::Command command;
  v1::Found& found = *command.mutable_found();
  found.set_market_name("test");
  found.set_market_public_key(test_hash(1));
  found.set_currency("TEST");
  *found.mutable_policy() = default_policy();
  found.mutable_policy()->set_price_interval_us(0);  // no deadline but those a test makes
  found.mutable_policy()->set_retry_delay_us(0);
  found.mutable_policy()->set_fair_turns(false);      // a test that is about it lays it down
  found.mutable_policy()->set_holds_deposits(false);  // likewise
  found.set_operator_key_hash(test_hash(2));
  return command;
}

// A machine of like devices.
inline v1::NodeFacts test_facts(std::uint32_t devices, const std::string& model = "RTX_4090",
                                const std::string& region = "eu") {
  v1::NodeFacts facts;
  facts.set_region(region);
  facts.set_cpu_thousandths(16'000);
  facts.set_memory_mb(64'000);
  facts.set_disk_mb(100'000);
  facts.set_isolation(v1::BUBBLEWRAP);
  facts.set_network(v1::EGRESS);
  for (std::uint32_t i = 0; i < devices; ++i) {
    v1::Device& device = *facts.add_devices();
    device.set_index(i);
    device.set_uuid("d" + std::to_string(i));
    device.set_model(model);
    device.set_kind(v1::GPU);
    device.set_memory_mb(24'000);
  }
  return facts;
}

class RandomCommands {
 public:
  explicit RandomCommands(std::uint64_t seed) : random_(seeded_random(seed)) {}

  std::uint64_t below(std::uint64_t bound) { return random_->below(bound); }
  bool chance(std::uint64_t in) { return below(in) == 0; }

  Time next_time(const Machine& machine) {
    Time now = std::max(machine.now(), Time{1'700'000'000'000'000});
    if (chance(200)) return now + hours(static_cast<std::int64_t>(below(40)));
    if (chance(40)) return now + seconds(static_cast<std::int64_t>(below(40)));
    return now + milliseconds(static_cast<std::int64_t>(below(500)));
  }

  v1::Command next(const Machine& machine) {
    v1::Command command = some(machine);
    if (chance(12)) command.set_actor(any_account(machine));
    if (chance(20)) {
      command.set_request_key(test_hash(below(400)).substr(0, chance(30) ? 3 : 16));
      command.set_request_fingerprint(test_hash(below(2)).substr(0, 8));
    }
    return command;
  }

 private:
  std::int64_t hostile() {
    constexpr std::int64_t kHostile[] = {0,
                                         -1,
                                         1,
                                         std::numeric_limits<std::int64_t>::max(),
                                         std::numeric_limits<std::int64_t>::min(),
                                         1'000'000'000'000'000'000,
                                         1'000'000'000'000'000,
                                         1'000'000'000'001};
    return kHostile[below(std::size(kHostile))];
  }
  std::int64_t amount(std::int64_t bound) {
    return chance(25) ? hostile()
                      : static_cast<std::int64_t>(below(static_cast<std::uint64_t>(bound)));
  }

  std::uint64_t any_account(const Machine& machine) {
    if (chance(20)) return below(100'000);
    std::vector<std::uint64_t> ids;
    machine.visit_accounts(AccountId(0), [&](const Account& account) {
      ids.push_back(account.id.value);
      return ids.size() < 16;
    });
    return ids.empty() ? 0 : ids[below(ids.size())];
  }
  std::uint64_t any_node(const Machine& machine) {
    if (chance(30)) return below(100'000);
    std::vector<std::uint64_t> ids;
    const bool also_removed = chance(20);
    machine.visit_nodes(NodeId(0), [&](const Node& node) {
      if (!node.removed || also_removed) ids.push_back(node.id.value);
      return ids.size() < 64;
    });
    return ids.empty() ? 0 : ids[below(ids.size())];
  }
  std::uint64_t any_order(const Machine& machine) {
    std::vector<std::uint64_t> ids;
    machine.visit_orders_newest(OrderId(0), [&](const Order& order) {
      ids.push_back(order.id.value);
      return ids.size() < 16;
    });
    return ids.empty() || chance(30) ? below(100'000) : ids[below(ids.size())];
  }
  std::uint64_t any_lease(const Machine& machine) {
    std::vector<std::uint64_t> ids;
    machine.visit_leases_newest(LeaseId(0), [&](const Lease& lease) {
      ids.push_back(lease.id.value);
      return ids.size() < 24;
    });
    return ids.empty() || chance(30) ? below(100'000) : ids[below(ids.size())];
  }

  v1::NodeFacts facts() {
    v1::NodeFacts facts;
    facts.set_name(chance(50) ? std::string(300, 'x') : "node");
    facts.set_region(chance(2) ? "eu" : "us");
    if (chance(2)) facts.set_lan(chance(2) ? "rack 1" : "rack 2");
    facts.set_cpu_thousandths(static_cast<std::uint32_t>(below(32'000)));
    facts.set_proves_in_leases(facts.cpu_thousandths() % 2 == 0);
    facts.set_memory_mb(static_cast<std::uint32_t>(below(64'000)));
    facts.set_disk_mb(static_cast<std::uint32_t>(below(500'000)));
    facts.set_isolation(chance(40) ? static_cast<v1::Isolation>(9) : v1::BUBBLEWRAP);
    facts.set_network(chance(40) ? static_cast<v1::Network>(9)
                                 : static_cast<v1::Network>(below(2)));
    const std::uint64_t devices = chance(60) ? 70 : below(5);
    for (std::uint64_t i = 0; i < devices; ++i) {
      v1::Device& device = *facts.add_devices();
      device.set_index(static_cast<std::uint32_t>(chance(60) ? below(9) : i));
      device.set_uuid((chance(2) ? "d" : "GPU-") + std::to_string(below(3)));
      device.set_model(chance(2) ? "RTX_4090" : "RTX_3090");
      device.set_kind(chance(10) ? v1::CPU : v1::GPU);
      device.set_memory_mb(24'000);
    }
    return facts;
  }

  v1::Requirements requirements() {
    static const char* const kQueries[] = {
        "",        "gpu_ram>=16", "gpu_name=RTX_4090", "region in [eu]", "num_gpus>=2",
        "price<1", "gpu_ram>",    "reliability>0.9",   "verified=true"};
    v1::Requirements wanted;
    wanted.set_query(chance(2) ? "" : kQueries[below(std::size(kQueries))]);
    wanted.set_gpus(static_cast<std::uint32_t>(chance(40) ? 1'000 : below(3)));
    constexpr std::uint32_t kShares[] = {0, 1'000, 500, 333, 1, 1'001};
    wanted.set_device_thousandths(kShares[below(std::size(kShares))]);
    if (chance(4)) wanted.set_nodes(static_cast<std::uint32_t>(chance(20) ? 1'000 : below(4)));
    wanted.set_objective(static_cast<v1::Objective>(below(4)));
    if (chance(6)) wanted.set_near(chance(40) ? std::string(300, 'n') : "us");
    wanted.set_workload_class(static_cast<v1::WorkloadClass>(chance(40) ? 9 : below(5)));
    wanted.set_duration_us(chance(40) ? hostile()
                                      : seconds(static_cast<std::int64_t>(below(400))).value);
    wanted.set_price_per_hour_micros_max(chance(2) ? amount(2'000'000) : 0);
    wanted.set_memory_mb(static_cast<std::uint32_t>(below(20'000)));
    wanted.set_cpu_thousandths(static_cast<std::uint32_t>(below(6'000)));
    wanted.set_disk_mb(chance(3) ? static_cast<std::uint32_t>(below(50'000)) : 0);
    if (chance(4)) wanted.set_network(v1::EGRESS);
    if (chance(wanted.network() == v1::EGRESS ? 2 : 40)) {
      wanted.set_egress_mb_max(static_cast<std::uint32_t>(below(3'000)));
    }
    if (chance(4)) wanted.set_tier(v1::SPOT);
    if (chance(4)) {
      wanted.set_tier(v1::RESERVED);
      constexpr Duration kTerms[] = {minutes(1), hours(1), hours(24), hours(24 * 40)};
      wanted.set_duration_us(kTerms[below(std::size(kTerms))].value);
    }
    return wanted;
  }

  // Of a lease that can be asked, or that waits for its proof; false: there is none. No chance is
  // drawn where nothing comes of it.
  bool fill_lease_proof(const Machine& machine, const Node& node, v1::Command& command) {
    for (const LeaseId id : node.leases) {
      const Lease& lease = *machine.lease(id);
      if (!lease.proof && devices_to_prove(machine.policy(), node, lease).empty()) continue;
      if (!lease.proof) {
        command.mutable_start_proof()->set_node(node.id.value);
        command.mutable_start_proof()->set_seed(test_hash(4));
        command.mutable_start_proof()->set_lease(id.value);
        return true;
      }
      v1::FinishProof& finish = *command.mutable_finish_proof();
      finish.set_node(node.id.value);
      finish.set_proof(lease.proof.value + (chance(20) ? 1 : 0));
      finish.set_lease(id.value);
      for (const std::uint32_t device : lease.devices) {
        v1::ProofResult& result = *finish.add_results();
        result.set_device(device);
        result.set_outcome(static_cast<v1::ProofOutcome>(chance(3) ? below(6) : 1));
      }
      return true;
    }
    return false;
  }

  void fill_proof(const Machine& machine, v1::Command& command) {
    const std::uint64_t id = any_node(machine);
    const Node* const node = machine.node(NodeId(id));
    if (node != nullptr && fill_lease_proof(machine, *node, command)) return;
    if (node == nullptr || !node->proof) {
      command.mutable_start_proof()->set_node(id);
      command.mutable_start_proof()->set_seed(test_hash(4).substr(0, chance(20) ? 31 : 32));
      return;
    }
    v1::FinishProof& finish = *command.mutable_finish_proof();
    finish.set_node(id);
    finish.set_proof(node->proof.value + (chance(20) ? 1 : 0));
    for (std::uint64_t i = 0; i < node->devices.size() + (chance(20) ? 1 : 0); ++i) {
      v1::ProofResult& result = *finish.add_results();
      result.set_device(static_cast<std::uint32_t>(i));
      result.set_outcome(static_cast<v1::ProofOutcome>(chance(30) ? below(9) : 1 + below(4)));
      result.set_detail(std::string(below(700), 'd'));
      result.mutable_speeds()->set_int8_mops(below(1'000));
    }
  }

  std::string project() { return chance(20) ? std::string(300, 'p') : std::string(below(3), 'p'); }

  void fill_submit(const Machine& machine, v1::SubmitOrder& submit) {
    submit.set_account(any_account(machine));
    submit.set_name("job");
    *submit.mutable_requirements() = requirements();
    submit.set_tasks(static_cast<std::uint32_t>(chance(50) ? 2'000'000 : below(7)));
    if (!chance(10)) submit.set_tasks(submit.tasks() * std::max(submit.requirements().nodes(), 1U));
    if (!chance(30)) submit.mutable_workload()->add_command("true");
    if (chance(4)) submit.set_budget_micros_max(amount(chance(2) ? 500'000 : 3'000));
    if (chance(12)) submit.set_project(project());
    if (chance(5)) {
      submit.set_restart_us(amount(60'000'000));
      const auto sum = [](std::int64_t a, std::int64_t b) {  // of hostile ones, too
        return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) +
                                         static_cast<std::uint64_t>(b));
      };
      submit.set_deadline_after_us(sum(
          sum(submit.requirements().duration_us(), submit.restart_us()), amount(3'600'000'000)));
    }
    submit.set_attempts_max(static_cast<std::uint32_t>(below(4)));
    submit.set_wait(!chance(3));
    if (chance(4)) {
      const auto estimate = machine.estimate(submit.requirements(), submit.tasks(), machine.now());
      if (estimate) *submit.mutable_quote() = estimate->quote;
    } else if (chance(30)) {
      submit.mutable_quote()->set_total_micros(hostile());
      submit.mutable_quote()->set_task_hour_micros(hostile());
      submit.mutable_quote()->set_egress_gb_micros(hostile());
      submit.mutable_quote()->set_issued_at_us(hostile());
      submit.mutable_quote()->set_expires_at_us(hostile());
      submit.mutable_quote()->set_tasks(submit.tasks());
      *submit.mutable_quote()->mutable_requirements() = submit.requirements();
    }
  }

  void fill_report(const Machine& machine, const Lease& lease, v1::WorkloadReport& report) {
    report.set_lease(lease.id.value);
    report.set_state(static_cast<v1::LeaseState>(chance(30) ? below(9) : 2 + below(3)));
    for (std::uint64_t i = below(3); i > 0; --i) {
      v1::MeterRecord& meter = *report.add_meters();
      meter.set_lease(chance(40) ? 7 : lease.id.value);
      meter.set_sequence(lease.meter_sequence +
                         static_cast<std::uint32_t>(chance(8) ? below(4) : i));
      const Duration alive = machine.now() - lease.placed_at;
      meter.set_running_us(chance(30) ? hostile()
                                      : static_cast<std::int64_t>(
                                            below(static_cast<std::uint64_t>(alive.value) + 1)));
      meter.set_slowed_us(meter.running_us() % 7 == 0 ? -1 : meter.running_us() / 2);
      // Often beyond what it may send, and never less than before but by chance.
      if (lease.egress_bytes_max > 0) {
        const std::int64_t sent = std::clamp(meter.running_us(), -kHour.value, 100 * kHour.value);
        meter.set_egress_bytes(chance(30) ? hostile() : sent * 10);
      }
    }
    if (chance(4)) {
      v1::Checkpoint& checkpoint = *report.mutable_checkpoint();
      checkpoint.set_manifest(chance(10) ? "short" : test_hash(below(5)));
      checkpoint.set_sequence(lease.checkpoint_sequence + static_cast<std::uint32_t>(below(3)));
    }
    if (chance(8)) {
      report.set_state(v1::ENDED);
      report.set_reason(chance(2)   ? v1::COMPLETED
                        : chance(3) ? v1::HOST_LOST
                        : chance(3) ? v1::OWNER_RETURNED
                                    : static_cast<v1::EndReason>(below(22)));
      report.set_exit_code(!chance(3) ? 0 : static_cast<std::int32_t>(below(200)));
      report.set_signal(chance(8) ? static_cast<std::int32_t>(hostile()) : 0);
      report.set_detail(std::string(below(700), 'd'));
      report.set_output_manifest(chance(2) ? test_hash(3) : "short");
    }
  }

  void fill_observe(const Machine& machine, v1::Observe& observe) {
    observe.set_node(any_node(machine));
    const Node* const node = machine.node(NodeId(observe.node()));
    if (node == nullptr) return;
    for (const LeaseId id : node->leases) {
      if (!chance(20)) fill_report(machine, *machine.lease(id), *observe.add_workloads());
    }
    if (chance(20)) observe.add_workloads()->set_lease(any_lease(machine));
    observe.set_owner(chance(25) ? static_cast<v1::OwnerState>(below(6)) : v1::OWNER_AWAY);
    observe.set_complete(chance(2));
    observe.set_desired_revision(node->desired_revision - (chance(2) ? 0 : below(3)));
  }

  // What a market needs before anything can happen, while it lacks it.
  std::optional<v1::Command> founding(const Machine& machine);
  v1::Command some(const Machine& machine);

  std::unique_ptr<Random> random_;
  std::uint64_t tokens_ = 100;
  std::uint64_t references_ = 0;
};

inline std::optional<v1::Command> RandomCommands::founding(const Machine& machine) {
  v1::Command command;
  if (!machine.founded()) return test_found();
  if (machine.counts().accounts < 4) {
    command.mutable_open_account()->set_name("somebody");
    command.mutable_open_account()->add_scopes(v1::RENTER);
    command.mutable_open_account()->add_scopes(v1::PROVIDER);
    return command;
  }
  if (machine.counts().nodes < 4 && chance(2)) {
    command.mutable_create_join_token()->set_account(any_account(machine));
    command.mutable_create_join_token()->set_secret_hash(test_hash(++tokens_));
    command.mutable_create_join_token()->set_uses_max(2);
    return command;
  }
  if (machine.counts().nodes < 5) {
    command.mutable_join_node()->set_secret_hash(test_hash(tokens_));
    command.mutable_join_node()->set_public_key(test_hash(below(1'000)));
    *command.mutable_join_node()->mutable_facts() = facts();
    return command;
  }
  if (machine.counts().nodes_connected < 3) {
    command.mutable_set_node_link()->set_node(any_node(machine));
    command.mutable_set_node_link()->set_connected(true);
    return command;
  }
  return std::nullopt;
}

inline v1::Command RandomCommands::some(const Machine& machine) {
  if (chance(2)) {
    if (std::optional<v1::Command> first = founding(machine)) return *first;
  }
  v1::Command command;
  const std::uint64_t kind = below(100);
  if (kind < 42) {
    fill_observe(machine, *command.mutable_observe());
  } else if (kind < 56) {
    fill_submit(machine, *command.mutable_submit_order());
  } else if (kind < 66) {
    command.mutable_tick();
  } else if (kind < 70) {
    command.mutable_deposit()->set_account(any_account(machine));
    command.mutable_deposit()->set_amount_micros(amount(30'000'000));
    command.mutable_deposit()->set_reference("r" + std::to_string(chance(9) ? 1 : ++references_));
  } else if (kind < 74) {
    v1::SetOffer& offer = *command.mutable_set_offer();
    offer.set_node(any_node(machine));
    offer.set_device_hour_micros(chance(10) ? 0 : amount(2'000'000));
    offer.set_disk_gb_hour_micros(chance(3) ? amount(300) : 0);
    if (chance(3)) offer.set_egress_gb_micros(amount(500'000));
    offer.set_share_thousandths_min(static_cast<std::uint32_t>(chance(20) ? 1'001 : below(1'001)));
    offer.set_duration_us_max(chance(10) ? hostile() : 0);
    offer.set_spot(chance(2));
    if (offer.spot()) offer.set_spot_floor_micros(amount(600'000));
    if (chance(2)) {
      offer.mutable_discounts()->set_hour_basis_points(static_cast<std::uint32_t>(below(1'000)));
      offer.mutable_discounts()->set_day_basis_points(static_cast<std::uint32_t>(below(5'000)));
      offer.mutable_discounts()->set_week_basis_points(5'000);
      offer.mutable_discounts()->set_month_basis_points(
          static_cast<std::uint32_t>(5'000 + below(2)));
    }
    if (chance(3)) {
      offer.set_device_hour_micros_min(amount(1'000'000));
      offer.set_device_hour_micros_max(amount(2'000'000));
    }
  } else if (kind < 77) {
    command.mutable_set_node_link()->set_node(any_node(machine));
    command.mutable_set_node_link()->set_connected(!chance(6));
  } else if (kind < 79) {
    if (chance(2)) {
      command.mutable_create_join_token()->set_account(any_account(machine));
      command.mutable_create_join_token()->set_secret_hash(test_hash(++tokens_));
      command.mutable_create_join_token()->set_uses_max(static_cast<std::uint32_t>(below(4)));
    } else {
      command.mutable_join_node()->set_secret_hash(test_hash(tokens_ - below(3)));
      command.mutable_join_node()->set_public_key(test_hash(below(1'000)));
      *command.mutable_join_node()->mutable_facts() = facts();
    }
  } else if (kind < 81) {
    command.mutable_report_node()->set_node(any_node(machine));
    *command.mutable_report_node()->mutable_facts() = facts();
  } else if (kind < 83) {
    if (chance(2)) {
      command.mutable_extend_order()->set_order(any_order(machine));
      command.mutable_extend_order()->set_more_us(amount(seconds(200).value));
    } else {
      command.mutable_stop_order()->set_order(any_order(machine));
    }
  } else if (kind < 85) {
    command.mutable_stop_lease()->set_lease(any_lease(machine));
  } else if (kind < 87) {
    command.mutable_open_account()->set_name(chance(10) ? "" : "somebody");
    command.mutable_open_account()->add_scopes(static_cast<v1::Scope>(below(5)));
    if (chance(2)) command.mutable_open_account()->add_scopes(v1::PROVIDER);
  } else if (kind < 90) {
    command.mutable_withdraw()->set_account(any_account(machine));
    command.mutable_withdraw()->set_amount_micros(amount(100'000));
    command.mutable_withdraw()->set_destination("bank");
  } else if (kind < 92) {
    if (chance(6)) {
      const std::uint64_t which = below(references_ + 2);
      command.mutable_reverse_deposit()->set_reference("r" + std::to_string(which));
      return command;
    }
    machine.visit_payouts([&](const Payout& payout) {
      command.mutable_settle_payout()->set_payout(payout.id);
      return !chance(3);
    });
    command.mutable_settle_payout()->set_paid(chance(2));
  } else if (kind < 93) {
    const std::int64_t most = chance(2) ? 0 : amount(20'000'000);
    if (chance(2)) {
      command.mutable_set_budget()->set_account(any_account(machine));
      command.mutable_set_budget()->set_month_micros_max(most);
    } else {
      command.mutable_set_project()->set_account(any_account(machine));
      command.mutable_set_project()->set_project(project());
      command.mutable_set_project()->set_total_micros_max(most);
    }
  } else if (kind < 95) {
    v1::AddKey& key = *command.mutable_add_key();
    key.set_account(any_account(machine));
    key.set_secret_hash(test_hash(below(50)).substr(0, chance(20) ? 31 : 32));
    key.add_scopes(static_cast<v1::Scope>(below(5)));
    key.set_expires_at_us(chance(2) ? 0 : hostile());
    key.set_role(static_cast<v1::Role>(below(6)));
    if (chance(3))
      fill_team(*random_, machine, any_account(machine), any_account(machine), command);
  } else if (kind < 96) {
    if (chance(4)) {
      for (std::uint64_t classes = below(4); classes > 0; --classes) {
        v1::ClassForecast& told = *command.mutable_set_forecast()->add_classes();
        told.set_model(chance(5) ? "h100" : "rtx_4090");
        told.set_region(chance(5) ? "us" : "eu");
        told.set_use_basis_points(static_cast<std::uint32_t>(below(chance(9) ? 40'000 : 20'000)));
        told.set_until_us(chance(9) ? hostile() : (machine.now() + minutes(90)).us);
      }
      return command;
    }
    if (chance(3)) {
      for (std::uint64_t nodes = below(4); nodes > 0; --nodes) {
        v1::NodeSurvival& told = *command.mutable_set_survival()->add_nodes();
        told.set_node(chance(5) ? 0 : any_node(machine));
        for (std::uint32_t i = chance(9) ? 1 : chance(9) ? 5 : 0; i < 5; ++i) {
          told.add_lasting_ppm(chance(90) ? 2'000'000 : 900'000 - i * 150'000);
        }
      }
      return command;
    }
    if (chance(2)) {
      command.mutable_set_speed()->set_model(chance(9) ? "" : chance(2) ? "RTX_4090" : "rtx 3090");
      command.mutable_set_speed()->set_workload_class(static_cast<v1::WorkloadClass>(below(6)));
      command.mutable_set_speed()->set_speed_thousandths(
          static_cast<std::uint32_t>(chance(20) ? hostile() : static_cast<std::int64_t>(below(9))));
      return command;
    }
    command.mutable_revoke_key()->set_secret_hash(test_hash(below(50)));
  } else if (kind < 97) {
    if (chance(3)) {
      command.mutable_resume();
    } else {
      fill_proof(machine, command);
    }
  } else if (kind < 98) {
    v1::Policy& policy = *command.mutable_set_policy()->mutable_policy();
    policy = default_policy();
    policy.set_price_interval_us(chance(4) ? 0 : minutes(1).value);
    policy.set_price_step_basis_points(static_cast<std::uint32_t>(below(2'000)));
    policy.set_use_target_basis_points(static_cast<std::uint32_t>(below(10'500)));
    policy.set_fee_basis_points(static_cast<std::uint32_t>(below(11'000)));
    policy.set_proof_interval_us(policy.fee_basis_points() % 2 == 0 ? seconds(1).value : 0);
    policy.set_close_after_us(chance(6) ? hostile() : seconds(30).value);
    policy.set_spot_min_run_us(chance(2) ? 0 : seconds(2).value);
    policy.set_spot_cool_down_us(chance(2) ? 0 : seconds(20).value);
    policy.set_spot_notice_us(chance(20) ? hostile() : seconds(10).value);
    if (chance(2)) {
      policy.add_volume_discounts()->set_spent_micros_min(static_cast<std::int64_t>(below(2'000)));
      policy.mutable_volume_discounts(0)->set_fee_basis_points(
          static_cast<std::uint32_t>(below(11'000)));
    }
    policy.set_payout_delay_us(chance(2) ? 0 : hours(24).value);
    policy.set_start_cost_us(chance(20) ? hostile() : 0);
    policy.set_fragmentation_basis_points(static_cast<std::uint32_t>(below(1'100) * below(11)));
    policy.set_survival_basis_points(static_cast<std::uint32_t>(below(1'100) * below(11)));
    policy.set_locality_basis_points(static_cast<std::uint32_t>(below(1'100) * below(11)));
    policy.set_forecast_basis_points(static_cast<std::uint32_t>(below(1'100) * below(11)));
    policy.set_credit_basis_points_max(policy.forecast_basis_points());
    policy.set_scarcity_basis_points(policy.locality_basis_points());
    policy.set_deadlines_by_forecast(policy.price_step_basis_points() % 2 == 0);
    policy.set_bounds_meters(policy.survival_basis_points() % 2 == 0);
    policy.set_weighs_kept_time(policy.locality_basis_points() % 2 == 0);
    policy.set_fair_turns(policy.price_step_basis_points() % 3 != 0);
    policy.set_firm_turns(policy.price_step_basis_points() % 5 != 0);
    policy.set_counts_until_stop(policy.survival_basis_points() % 3 != 0);
    policy.set_holds_deposits(policy.locality_basis_points() % 3 != 0);
    policy.set_keeps_device_records(policy.locality_basis_points() % 5 != 0);
  } else if (kind < 99) {
    command.mutable_withdraw_offer()->set_node(any_node(machine));
  } else if (chance(6)) {
    command.mutable_remove_node()->set_node(any_node(machine));
  } else {
    *command.mutable_found() = test_found().found();
  }
  return command;
}

}  // namespace fallow::core
