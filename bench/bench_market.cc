#include "bench_market.h"

#include <fmt/core.h>

#include "base/check.h"
#include "core/policy.h"

namespace fallow::bench {
namespace {

constexpr std::uint64_t kOperator = 4096;
constexpr std::int64_t kRunningPerRecordUs = 10;

v1::Command by(std::uint64_t actor) {
  v1::Command command;
  command.set_actor(actor);
  return command;
}

std::string bytes32(std::uint64_t n) {
  std::string bytes(32, '\x5a');
  for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(n >> (8 * i));
  return bytes;
}

v1::Command open_account(const char* name, v1::Scope scope) {
  v1::Command command = by(kOperator);
  command.mutable_open_account()->set_name(name);
  command.mutable_open_account()->add_scopes(scope);
  return command;
}

v1::Command deposit(std::uint64_t account, std::int64_t micros, std::string reference) {
  v1::Command command = by(kOperator);
  command.mutable_deposit()->set_account(account);
  command.mutable_deposit()->set_amount_micros(micros);
  command.mutable_deposit()->set_reference(std::move(reference));
  return command;
}

v1::Command join(std::uint64_t n) {
  v1::Command command;
  v1::JoinNode& node = *command.mutable_join_node();
  node.set_secret_hash(bytes32(1));
  node.set_public_key(bytes32(n));
  v1::NodeFacts& facts = *node.mutable_facts();
  facts.set_name(fmt::format("node-{}", n));
  facts.set_region(n % 3 == 0 ? "us" : "eu");
  facts.set_cpu_thousandths(16'000);
  facts.set_memory_mb(64'000);
  facts.set_disk_mb(500'000);
  facts.set_download_mbps(900);
  facts.set_upload_mbps(300);
  facts.set_isolation(v1::BUBBLEWRAP);
  facts.set_agent_version("bench");
  v1::Device& device = *facts.add_devices();
  device.set_uuid(fmt::format("GPU-{}", n));
  device.set_model(n % 4 == 0 ? "RTX_4090" : "RTX_3090");
  device.set_kind(v1::GPU);
  device.set_memory_mb(24'000);
  device.set_driver("555.42");
  return command;
}

v1::Command link(std::uint64_t node) {
  v1::Command command;
  command.mutable_set_node_link()->set_node(node);
  command.mutable_set_node_link()->set_connected(true);
  return command;
}

v1::Command offer(std::uint64_t provider, std::uint64_t node, std::int64_t device_hour_micros) {
  v1::Command command = by(provider);
  command.mutable_set_offer()->set_node(node);
  command.mutable_set_offer()->set_device_hour_micros(device_hour_micros);
  command.mutable_set_offer()->set_disk_gb_hour_micros(10);
  command.mutable_set_offer()->set_share_thousandths_min(1'000);
  return command;
}

v1::Command order(std::uint64_t renter, std::uint32_t tasks) {
  v1::Command command = by(renter);
  v1::SubmitOrder& submit = *command.mutable_submit_order();
  submit.set_account(renter);
  submit.set_name("bench");
  submit.set_tasks(tasks);
  submit.mutable_workload()->add_command("sleep");
  submit.mutable_workload()->add_command("infinity");
  v1::Requirements& wanted = *submit.mutable_requirements();
  wanted.set_query("gpu_ram>=20");
  wanted.set_gpus(1);
  wanted.set_device_thousandths(1'000);
  wanted.set_duration_us(hours(24).value);
  wanted.set_memory_mb(4'000);
  wanted.set_cpu_thousandths(2'000);
  wanted.set_disk_mb(10'000);
  return command;
}

}  // namespace

v1::Found bench_found() {
  v1::Found found;
  found.set_market_name("bench");
  found.set_market_public_key(bytes32(2));
  found.set_currency("TEST");
  found.set_operator_key_hash(bytes32(3));
  v1::Policy& policy = *found.mutable_policy();
  policy = core::default_policy();
  policy.set_suspend_after_us(hours(24).value);  // nobody falls silent while a benchmark generates
  policy.set_close_after_us(hours(48).value);
  policy.set_start_timeout_us(hours(72).value);
  return found;
}

void BenchMarket::give(const v1::Command& command, const Sink& sink) {
  events_.clear();
  machine_.apply(machine_.last_index() + LogIndex(1), now_, command, events_);
  for (const v1::Event& event : events_) {
    FALLOW_CHECK(!event.has_refused(), "the benchmark's market refused: {}",
                 event.refused().message());
    if (event.has_lease_placed()) {
      running_.push_back(Running{event.lease_placed().lease(), event.lease_placed().node(), 0});
    }
  }
  sink(command);
}

void BenchMarket::open(Time start, const Sink& sink) {
  now_ = start;
  v1::Command found;
  *found.mutable_found() = bench_found();
  give(found, sink);
  give(open_account("provider", v1::PROVIDER), sink);
  provider_ = events_.front().account_opened().account();
  give(open_account("renter", v1::RENTER), sink);
  renter_ = events_.front().account_opened().account();
  give(deposit(renter_, 900'000'000'000'000, "opening"), sink);

  v1::Command token = by(provider_);
  token.mutable_create_join_token()->set_account(provider_);
  token.mutable_create_join_token()->set_secret_hash(bytes32(1));
  token.mutable_create_join_token()->set_expires_at_us((start + hours(1'000)).us);
  token.mutable_create_join_token()->set_uses_max(shape_.nodes);
  give(token, sink);
  for (std::uint32_t n = 0; n < shape_.nodes; ++n) {
    give(join(n), sink);
    nodes_.push_back(events_.front().node_joined().node());
    give(link(nodes_.back()), sink);
    give(offer(provider_, nodes_.back(), 1'000'000 + n % 997 * 100), sink);
  }
  constexpr std::uint32_t kTasksPerOrder = 100;
  for (std::uint32_t left = shape_.leases; left > 0;) {
    const std::uint32_t tasks = std::min(left, kTasksPerOrder);
    give(order(renter_, tasks), sink);
    left -= tasks;
  }
  FALLOW_CHECK(running_.size() == shape_.leases, "{} of {} leases were placed", running_.size(),
               shape_.leases);
}

std::vector<v1::Command> BenchMarket::links() const {
  std::vector<v1::Command> commands;
  for (const std::uint64_t node : nodes_) commands.push_back(link(node));
  return commands;
}

v1::Command BenchMarket::mixed(std::uint64_t i) {
  const std::uint64_t turn = i % 100;
  if (turn >= 95) {
    const std::uint64_t n = i * 7 % nodes_.size();
    return offer(provider_, nodes_[n], static_cast<std::int64_t>(900'000 - i / 100));
  }
  if (turn >= 85) return deposit(renter_, 1, fmt::format("bench-{}", i));
  Running& running = running_[i % running_.size()];
  v1::Command command;
  v1::Observe& observe = *command.mutable_observe();
  observe.set_node(running.node);
  observe.set_owner(v1::OWNER_AWAY);
  observe.set_desired_revision(1);
  v1::WorkloadReport& report = *observe.add_workloads();
  report.set_lease(running.lease);
  report.set_state(v1::RUNNING);
  v1::MeterRecord& record = *report.add_meters();
  record.set_lease(running.lease);
  record.set_sequence(++running.sequence);
  record.set_running_us(running.sequence * kRunningPerRecordUs);
  record.set_measured_at_us(now_.us);
  record.set_signature(std::string(64, 's'));
  return command;
}

}  // namespace fallow::bench
