// Lines of a scenario as commands.
#include <fmt/format.h>

#include <sstream>

#include "base/money.h"
#include "scenario.h"

namespace fallow::scenario {
namespace {

constexpr std::uint64_t kIdsPerCommand = 4'096;

std::string secret(std::uint64_t number) {
  std::string bytes(32, '\0');
  for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(number >> (8 * i));
  return bytes;
}

std::vector<std::string> split_at(const std::string& text, char mark) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, mark);) parts.push_back(part);
  return parts;
}

Result<std::int64_t> money(const Line& line, const std::string& name,
                           const std::string& otherwise) {
  FALLOW_ASSIGN(const Micros amount, parse_money(line.option(name, otherwise)));
  return amount.value;
}

std::uint32_t number(const Line& line, const std::string& name, const std::string& otherwise) {
  return static_cast<std::uint32_t>(std::stoul(line.option(name, otherwise)));
}

Result<std::string> word(const Line& line, std::size_t place) {
  if (place < line.words.size()) return line.words[place];
  return fail(ErrorCode::kInvalid, "'{}' needs more words", line.verb);
}

v1::Command with_key(const Line& line, v1::Command command) {
  // The text after key= is both: key and, up to a dot, fingerprint. `key=a.2` is another body.
  if (!line.options.contains("key")) return command;
  const std::vector<std::string> parts = split_at(line.option("key"), '.');
  std::string key = parts[0];
  key.resize(16, '-');
  std::string fingerprint = parts.size() > 1 ? parts[1] : "1";
  fingerprint.resize(8, '-');
  command.set_request_key(key);
  command.set_request_fingerprint(fingerprint);
  return command;
}

}  // namespace

std::uint64_t Scenario::default_actor(const Line& line) const {
  const auto own = [&]() -> std::uint64_t {
    const Result<std::uint64_t> id =
        line.words.empty() ? Result<std::uint64_t>(0) : id_of(line.words[0]);
    return id ? *id : 0;
  };
  if (line.verb == "submit" || line.verb == "withdraw") return own();
  if (line.verb == "stop" || line.verb == "extend") {
    const core::Order* const order = machine_.order(OrderId(own()));
    return order == nullptr ? 0 : order->account.value;
  }
  if (line.verb == "stop-lease") {
    const core::Lease* const lease = machine_.lease(LeaseId(own()));
    return lease == nullptr ? 0 : lease->renter.value;
  }
  return 0;
}

Result<v1::Command> Scenario::policy_of(const Line& line) {
  v1::Policy policy;
  const auto span = [&](const char* name, const char* otherwise) -> std::int64_t {
    const Result<Duration> value = parse_span(line.option(name, otherwise));
    return value ? value->value : -1;
  };
  policy.set_meter_interval_us(span("meter", "5s"));
  policy.set_suspend_after_us(span("suspend", "15s"));
  policy.set_close_after_us(span("close", "30s"));
  policy.set_start_timeout_us(span("start", "15m"));
  policy.set_stop_grace_us(span("grace", "10s"));
  policy.set_owner_notice_us(span("notice", "5s"));
  policy.set_fee_basis_points(number(line, "fee", "500"));
  policy.set_payout_delay_us(span("payout_delay", "1d"));
  policy.set_quote_ttl_us(span("quote_ttl", "5m"));
  policy.set_attempts_max(number(line, "attempts", "5"));
  policy.set_price_interval_us(span("price_interval", "0s"));
  policy.set_price_step_basis_points(number(line, "price_step", "300"));
  policy.set_use_target_basis_points(number(line, "use_target", "7000"));
  policy.set_spot_min_run_us(span("spot_run", "5m"));
  policy.set_spot_cool_down_us(span("spot_cool_down", "10m"));
  policy.set_spot_notice_us(span("spot_notice", "30s"));
  policy.set_start_cost_us(span("start_cost", "0s"));
  policy.set_fragmentation_basis_points(number(line, "fragmentation", "0"));
  policy.set_survival_basis_points(number(line, "survival", "0"));
  policy.set_locality_basis_points(number(line, "locality", "0"));
  policy.set_retry_delay_us(span("retry_delay", "0s"));
  policy.set_retry_delay_us_max(span("retry_delay_max", "5m"));
  policy.set_waits_for_fence(line.has("fences"));
  policy.set_forecast_basis_points(number(line, "forecast", "0"));
  policy.set_credit_basis_points_max(number(line, "credit", "0"));
  policy.set_scarcity_basis_points(number(line, "scarcity", "0"));
  policy.set_deadlines_by_forecast(line.has("foretold"));
  policy.set_bounds_meters(line.has("bounds"));
  policy.set_weighs_kept_time(line.has("weighs"));
  policy.set_pull_timeout_us(span("pull", "0s"));
  policy.set_fair_turns(line.has("fair"));
  policy.set_counts_until_stop(line.has("until_stop"));
  policy.set_firm_turns(line.has("firm"));
  policy.set_firm_proofs(line.has("firm_proofs"));
  policy.set_proof_interval_us(span("proofs", "0s"));
  policy.set_holds_deposits(line.has("holds"));
  policy.set_keeps_device_records(line.has("records"));
  policy.set_lease_proof_basis_points(number(line, "inside", "0"));
  policy.set_prices_egress(line.has("egress"));
  // volume=100:5000,1000:10000
  for (const std::string& part : split_at(line.option("volume"), ',')) {
    const std::vector<std::string> step = split_at(part, ':');
    v1::VolumeDiscount& discount = *policy.add_volume_discounts();
    FALLOW_ASSIGN(const Micros spent, parse_money(step[0]));
    discount.set_spent_micros_min(spent.value);
    discount.set_fee_basis_points(static_cast<std::uint32_t>(std::stoul(step.back())));
  }
  v1::Command command;
  if (line.verb == "policy") {
    *command.mutable_set_policy()->mutable_policy() = policy;
    return command;
  }
  v1::Found& found = *command.mutable_found();
  found.set_market_name("scenario");
  found.set_market_public_key(secret(1));
  found.set_currency("TEST");
  *found.mutable_policy() = policy;
  found.set_operator_key_hash(secret(2));
  bind("operator", (machine_.last_index().value + 1) * kIdsPerCommand);
  return command;
}

Result<v1::WorkloadClass> Scenario::workload_of(const std::string& word) {
  v1::WorkloadClass workload = v1::WORKLOAD_CLASS_UNSPECIFIED;
  std::string upper = word;
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  if (v1::WorkloadClass_Parse(upper, &workload)) return workload;
  return fail(ErrorCode::kInvalid, "'{}' is no class of workload", word);
}

Result<v1::Requirements> Scenario::requirements_of(const Line& line) {
  v1::Requirements wanted;
  wanted.set_query(line.option("query"));
  if (line.option("network") == "egress") wanted.set_network(v1::EGRESS);
  wanted.set_egress_mb_max(number(line, "egress_mb", "0"));
  wanted.set_gpus(number(line, "gpus", "1"));
  wanted.set_nodes(number(line, "nodes", "1"));
  wanted.set_device_thousandths(number(line, "share", "1000"));
  FALLOW_ASSIGN(const Duration time, parse_span(line.option("time", "1h")));
  wanted.set_duration_us(time.value);
  FALLOW_ASSIGN(const std::int64_t price, money(line, "max_price", line.option("bid", "0")));
  wanted.set_price_per_hour_micros_max(price);
  wanted.set_memory_mb(number(line, "memory", "0"));
  wanted.set_cpu_thousandths(number(line, "cpu", "0"));
  wanted.set_disk_mb(number(line, "disk", "0"));
  if (line.option("objective") == "fastest") wanted.set_objective(v1::FASTEST);
  if (line.option("objective") == "cost_to_complete") wanted.set_objective(v1::COST_TO_COMPLETE);
  FALLOW_ASSIGN(const v1::WorkloadClass workload, workload_of(line.option("workload", "general")));
  wanted.set_workload_class(workload);
  wanted.set_near(line.option("near"));
  if (line.option("tier") == "spot") wanted.set_tier(v1::SPOT);
  if (line.option("tier") == "reserved") wanted.set_tier(v1::RESERVED);
  return wanted;
}

Result<v1::Command> Scenario::submit_of(const Line& line) {
  v1::Command command;
  v1::SubmitOrder& submit = *command.mutable_submit_order();
  FALLOW_ASSIGN(const std::string name, word(line, 0));
  FALLOW_ASSIGN(const std::uint64_t account, id_of(name));
  submit.set_account(account);
  FALLOW_ASSIGN(*submit.mutable_requirements(), requirements_of(line));
  submit.set_tasks(number(line, "tasks", line.option("nodes", "1")));
  v1::Workload& workload = *submit.mutable_workload();
  workload.add_command("true");
  workload.set_image(line.option("image"));
  workload.set_image_login(line.has("login"));
  for (const std::string& secret_name : split_at(line.option("secrets"), ',')) {
    workload.add_secrets(secret_name);
  }
  FALLOW_ASSIGN(const std::int64_t budget, money(line, "budget", "0"));
  submit.set_budget_micros_max(budget);
  submit.set_project(line.option("project", ""));
  FALLOW_ASSIGN(const Duration until, parse_span(line.option("deadline", "0s")));
  submit.set_deadline_after_us(until.value);
  FALLOW_ASSIGN(const Duration restart, parse_span(line.option("restart", "0s")));
  submit.set_restart_us(restart.value);
  submit.set_attempts_max(number(line, "attempts", "0"));
  submit.set_wait(line.has("wait"));
  workload.set_no_restart(line.has("once"));
  if (line.options.contains("quote")) {
    const auto quote = quotes_.find(line.option("quote"));
    if (quote == quotes_.end()) return fail(ErrorCode::kNotFound, "no such quote was given");
    *submit.mutable_quote() = quote->second;
  }
  return with_key(line, std::move(command));
}

// L1=running:1/5s,2/10s/4s or L1=ended:completed,3/12s or L2=ended:exit_code,code/3
Result<v1::Command> Scenario::observe_of(const Line& line) {
  v1::Command command;
  v1::Observe& observe = *command.mutable_observe();
  FALLOW_ASSIGN(const std::string name, word(line, 0));
  FALLOW_ASSIGN(const std::uint64_t node, id_of(name));
  observe.set_node(node);
  const std::string owner = line.option("owner");
  if (owner == "home") observe.set_owner(v1::OWNER_PRESENT);
  if (owner == "away") observe.set_owner(v1::OWNER_AWAY);
  if (owner == "paused") observe.set_owner(v1::OWNER_PAUSED);
  observe.set_complete(line.has("complete"));
  observe.set_desired_revision(number(line, "revision", "0"));
  for (std::size_t i = 1; i < line.words.size(); ++i) {
    const std::size_t equals = line.words[i].find('=');
    if (equals == std::string::npos) continue;
    v1::WorkloadReport& report = *observe.add_workloads();
    FALLOW_ASSIGN(const std::uint64_t lease, id_of(line.words[i].substr(0, equals)));
    report.set_lease(lease);
    for (const std::string& part : split_at(line.words[i].substr(equals + 1), ',')) {
      const std::size_t slash = part.find('/');
      std::string upper = part;
      for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      v1::LeaseState state = v1::LEASE_STATE_UNSPECIFIED;
      v1::EndReason reason = v1::END_REASON_UNSPECIFIED;
      if (v1::LeaseState_Parse(upper, &state)) {
        report.set_state(state);
      } else if (v1::EndReason_Parse(upper, &reason)) {
        report.set_reason(reason);
      } else if (part == "pulling") {
        report.set_pulling(true);
      } else if (part.starts_with("code/")) {
        report.set_exit_code(std::stoi(part.substr(slash + 1)));
      } else if (part.starts_with("checkpoint/")) {
        const std::size_t after = part.find('/', slash + 1);
        if (after == std::string::npos) {
          return fail(ErrorCode::kInvalid, "'{}' is not checkpoint/SEQUENCE/NAME", part);
        }
        report.mutable_checkpoint()->set_sequence(
            static_cast<std::uint32_t>(std::stoul(part.substr(slash + 1))));
        report.mutable_checkpoint()->set_manifest(part.substr(after + 1));
        report.mutable_checkpoint()->mutable_manifest()->resize(32);
      } else if (slash != std::string::npos) {
        v1::MeterRecord& meter = *report.add_meters();
        meter.set_lease(lease);
        meter.set_sequence(static_cast<std::uint32_t>(std::stoul(part.substr(0, slash))));
        const std::vector<std::string> spans = split_at(part.substr(slash + 1), '/');
        FALLOW_ASSIGN(const Duration running, parse_span(spans.front()));
        meter.set_running_us(running.value);
        FALLOW_ASSIGN(const Duration slowed, parse_span(spans.size() > 1 ? spans[1] : "0s"));
        meter.set_slowed_us(slowed.value);
        if (spans.size() > 2) meter.set_egress_bytes(std::stoll(spans[2]) * 1'000'000);
      } else {
        return fail(ErrorCode::kInvalid, "'{}' is nothing that a workload can report", part);
      }
    }
  }
  return command;
}

// proved attic 0=passed 1=slow/4000000 lease=L1: the outcome of the proof that runs, or that the
// lease waits for, and the speed.
Result<v1::Command> Scenario::proved_of(const Line& line, std::uint64_t id) {
  v1::Command command;
  v1::FinishProof& finish = *command.mutable_finish_proof();
  finish.set_node(id);
  const core::Node* const node = machine_.node(NodeId(id));
  if (node != nullptr) finish.set_proof(node->proof.value);
  if (line.options.contains("lease")) {
    FALLOW_ASSIGN(const std::uint64_t lease, id_of(line.option("lease")));
    finish.set_lease(lease);
    const core::Lease* const asked = machine_.lease(LeaseId(lease));
    if (asked != nullptr) finish.set_proof(asked->proof.value);
  }
  for (std::size_t i = 1; i < line.words.size(); ++i) {
    const std::vector<std::string> parts = split_at(line.words[i], '=');
    v1::ProofResult& result = *finish.add_results();
    result.set_device(static_cast<std::uint32_t>(std::stoul(parts.front())));
    const std::vector<std::string> shown = split_at(parts.back(), '/');
    std::string name = "PROOF_" + shown.front();
    for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    v1::ProofOutcome outcome = v1::PROOF_OUTCOME_UNSPECIFIED;
    if (!v1::ProofOutcome_Parse(name, &outcome)) {
      return fail(ErrorCode::kInvalid, "'{}' is no outcome of a proof", parts.back());
    }
    result.set_outcome(outcome);
    if (outcome == v1::PROOF_PASSED) result.mutable_speeds()->set_int8_mops(5'000'000);
    if (shown.size() > 1) result.mutable_speeds()->set_int8_mops(std::stoull(shown[1]));
  }
  return command;
}

Result<std::string> Scenario::run_node(const Line& line) {
  FALLOW_ASSIGN(const std::string name, word(line, 0));
  FALLOW_ASSIGN(const std::uint64_t provider, id_of(line.option("by")));
  std::string text;
  v1::Command token;
  token.mutable_create_join_token()->set_account(provider);
  token.mutable_create_join_token()->set_secret_hash(secret(1'000 + secrets_));
  token.mutable_create_join_token()->set_uses_max(1);
  text += apply(line.at, provider, token);
  v1::Command join;
  join.mutable_join_node()->set_secret_hash(secret(1'000 + secrets_));
  join.mutable_join_node()->set_public_key(secret(5'000 + secrets_++));
  v1::NodeFacts& facts = *join.mutable_join_node()->mutable_facts();
  facts.set_name(name);
  facts.set_region(line.option("region", "eu"));
  facts.set_lan(line.option("lan"));
  facts.set_rack(line.option("rack"));
  facts.set_cpu_thousandths(number(line, "cpu", "16000"));
  facts.set_memory_mb(number(line, "memory", "64000"));
  facts.set_disk_mb(number(line, "disk", "500000"));
  facts.set_isolation(v1::BUBBLEWRAP);
  facts.set_images(line.options.contains("images"));
  facts.set_proves_beside_leases(line.has("beside"));
  facts.set_proves_in_leases(line.has("inside"));
  if (line.option("network") == "egress") facts.set_network(v1::EGRESS);
  for (std::uint32_t i = 0; i < number(line, "gpus", "1"); ++i) {
    v1::Device& device = *facts.add_devices();
    device.set_index(i);
    device.set_uuid(line.option("uuid", fmt::format("{}-{}", name, i)));
    device.set_model(line.option("model", "RTX_4090"));
    device.set_kind(v1::GPU);
    device.set_memory_mb(number(line, "ram", "24000"));
  }
  const std::uint64_t id = (machine_.last_index().value + 1) * kIdsPerCommand;
  bind(name, id);
  text += apply(line.at, 0, join);
  v1::Command link;
  link.mutable_set_node_link()->set_node(id);
  link.mutable_set_node_link()->set_connected(true);
  text += apply(line.at, 0, link);
  if (!line.options.contains("price")) return text;
  Line offer = line;
  offer.verb = "offer";
  FALLOW_ASSIGN(const v1::Command command, command_of(offer));
  return text + apply(line.at, provider, command);
}

Result<v1::Command> Scenario::command_of(const Line& line) {
  v1::Command command;
  if (line.verb == "tick") {
    command.mutable_tick();
    return command;
  }
  if (line.verb == "resume") {
    command.mutable_resume();
    return command;
  }
  if (line.verb == "found" || line.verb == "policy") return policy_of(line);
  FALLOW_ASSIGN(const std::optional<v1::Command> people, people_of(line));
  if (people) return *people;
  FALLOW_ASSIGN(const std::string name, word(line, 0));
  if (line.verb == "open") {
    command.mutable_open_account()->set_name(name);
    for (const std::string& scope : split_at(line.option("as"), ',')) {
      command.mutable_open_account()->add_scopes(scope == "provider"   ? v1::PROVIDER
                                                 : scope == "operator" ? v1::OPERATOR
                                                                       : v1::RENTER);
    }
    bind(name, (machine_.last_index().value + 1) * kIdsPerCommand);
    return command;
  }
  if (line.verb == "forecast") {
    const std::size_t slash = name.find('/');
    v1::ClassForecast& told = *command.mutable_set_forecast()->add_classes();
    told.set_model(name.substr(0, slash));
    told.set_region(slash == std::string::npos ? "" : name.substr(slash + 1));
    told.set_use_basis_points(number(line, "use", "0"));
    FALLOW_ASSIGN(const Duration ahead, parse_span(line.option("for", "1h")));
    told.set_until_us((line.at + ahead).us);
    return command;
  }
  if (line.verb == "speed") {
    command.mutable_set_speed()->set_model(name);
    FALLOW_ASSIGN(const v1::WorkloadClass workload, workload_of(line.option("class")));
    command.mutable_set_speed()->set_workload_class(workload);
    command.mutable_set_speed()->set_speed_thousandths(number(line, "thousandths", "0"));
    return command;
  }
  if (line.verb == "reverse") {
    command.mutable_reverse_deposit()->set_reference(name);
    return command;
  }
  FALLOW_ASSIGN(const std::uint64_t id, id_of(name));
  if (line.verb == "submit") return submit_of(line);
  if (line.verb == "observe") return observe_of(line);
  if (line.verb == "deposit") {
    command.mutable_deposit()->set_account(id);
    FALLOW_ASSIGN(const std::int64_t amount, money(line, "amount", "0"));
    command.mutable_deposit()->set_amount_micros(amount);
    command.mutable_deposit()->set_reference(
        line.option("reference", fmt::format("d{}", ++deposits_)));
  } else if (line.verb == "withdraw") {
    command.mutable_withdraw()->set_account(id);
    FALLOW_ASSIGN(const std::int64_t amount, money(line, "amount", "0"));
    command.mutable_withdraw()->set_amount_micros(amount);
    command.mutable_withdraw()->set_destination(line.option("to", "bank"));
  } else if (line.verb == "settle") {
    command.mutable_settle_payout()->set_payout(id);
    command.mutable_settle_payout()->set_paid(line.has("paid"));
  } else if (line.verb == "budget") {
    command.mutable_set_budget()->set_account(id);
    FALLOW_ASSIGN(const std::int64_t amount, money(line, "month", "0"));
    command.mutable_set_budget()->set_month_micros_max(amount);
  } else if (line.verb == "project") {
    command.mutable_set_project()->set_account(id);
    command.mutable_set_project()->set_project(line.option("name", ""));
    FALLOW_ASSIGN(const std::int64_t amount, money(line, "total", "0"));
    command.mutable_set_project()->set_total_micros_max(amount);
  } else if (line.verb == "offer") {
    v1::SetOffer& offer = *command.mutable_set_offer();
    offer.set_node(id);
    FALLOW_ASSIGN(const std::int64_t price, money(line, "price", "0"));
    offer.set_device_hour_micros(price);
    FALLOW_ASSIGN(const std::int64_t floor, money(line, "floor", "0"));
    offer.set_device_hour_micros_min(floor);
    FALLOW_ASSIGN(const std::int64_t ceiling, money(line, "ceiling", "0"));
    offer.set_device_hour_micros_max(ceiling);
    FALLOW_ASSIGN(const std::int64_t disk, money(line, "disk_price", "0"));
    offer.set_disk_gb_hour_micros(disk);
    FALLOW_ASSIGN(const std::int64_t egress, money(line, "egress", "0"));
    offer.set_egress_gb_micros(egress);
    offer.set_share_thousandths_min(number(line, "share", "1000"));
    FALLOW_ASSIGN(const Duration longest, parse_span(line.option("longest", "0s")));
    offer.set_duration_us_max(longest.value);
    offer.set_spot(line.options.contains("spot"));
    FALLOW_ASSIGN(const std::int64_t spot_floor, money(line, "spot", "0"));
    offer.set_spot_floor_micros(spot_floor);
    if (line.options.contains("discounts")) {
      const std::vector<std::string> parts = split_at(line.option("discounts"), '/');
      if (parts.size() != 4) return fail(ErrorCode::kInvalid, "discounts=0/500/1000/2000");
      v1::TermDiscounts& discounts = *offer.mutable_discounts();
      discounts.set_hour_basis_points(static_cast<std::uint32_t>(std::stoul(parts[0])));
      discounts.set_day_basis_points(static_cast<std::uint32_t>(std::stoul(parts[1])));
      discounts.set_week_basis_points(static_cast<std::uint32_t>(std::stoul(parts[2])));
      discounts.set_month_basis_points(static_cast<std::uint32_t>(std::stoul(parts[3])));
    }
  } else if (line.verb == "unoffer") {
    command.mutable_withdraw_offer()->set_node(id);
  } else if (line.verb == "link") {
    command.mutable_set_node_link()->set_node(id);
    command.mutable_set_node_link()->set_connected(line.has("up"));
  } else if (line.verb == "survival") {
    v1::NodeSurvival& told = *command.mutable_set_survival()->add_nodes();
    told.set_node(id);
    for (const std::string& ppm : split_at(line.option("ppm"), '/')) {
      told.add_lasting_ppm(static_cast<std::uint32_t>(std::stoul(ppm)));
    }
  } else if (line.verb == "remove") {
    command.mutable_remove_node()->set_node(id);
  } else if (line.verb == "prove") {
    command.mutable_start_proof()->set_node(id);
    command.mutable_start_proof()->set_seed(secret(9));
    if (line.options.contains("lease")) {
      FALLOW_ASSIGN(const std::uint64_t lease, id_of(line.option("lease")));
      command.mutable_start_proof()->set_lease(lease);
    }
  } else if (line.verb == "proved") {
    return proved_of(line, id);
  } else if (line.verb == "stop") {
    command.mutable_stop_order()->set_order(id);
  } else if (line.verb == "extend") {
    FALLOW_ASSIGN(const Duration more, parse_span(line.option("more", "1h")));
    command.mutable_extend_order()->set_order(id);
    command.mutable_extend_order()->set_more_us(more.value);
    return with_key(line, std::move(command));
  } else if (line.verb == "stop-lease") {
    command.mutable_stop_lease()->set_lease(id);
  } else {
    return fail(ErrorCode::kInvalid, "no command is named '{}'", line.verb);
  }
  return command;
}

}  // namespace fallow::scenario
