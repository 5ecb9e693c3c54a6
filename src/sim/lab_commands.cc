#include "sim/lab_commands.h"

#include <fmt/core.h>
#include <time.h>

#include "base/check.h"

namespace fallow::sim {

std::uint64_t first_id_of(LogIndex index) { return index.value * 4'096; }

std::string made_up_key(std::uint64_t kind, std::uint64_t number) {
  std::string bytes(32, '\0');
  for (std::size_t i = 0; i < 8; ++i) {
    bytes[i] = static_cast<char>(number >> (8 * i));
    bytes[8 + i] = static_cast<char>(kind >> (8 * i));
  }
  return bytes;
}

v1::Command found_command(const std::string& market, const v1::Policy& policy) {
  v1::Command command;
  v1::Found& found = *command.mutable_found();
  found.set_market_name(market);
  found.set_market_public_key(made_up_key(1, 1));
  found.set_currency("TEST");
  found.set_operator_key_hash(made_up_key(1, 2));
  *found.mutable_policy() = policy;
  return command;
}

v1::Command account_command(v1::Scope scope) {
  v1::Command command;
  command.mutable_open_account()->set_name("someone");
  command.mutable_open_account()->add_scopes(scope);
  return command;
}

v1::Command deposit_command(std::uint64_t account, Micros amount, std::uint64_t reference) {
  v1::Command command;
  command.mutable_deposit()->set_account(account);
  command.mutable_deposit()->set_amount_micros(amount.value);
  command.mutable_deposit()->set_reference(fmt::format("deposit {}", reference));
  return command;
}

v1::Command join_token_command(std::uint64_t provider, const std::string& secret_hash,
                               std::uint32_t uses_max) {
  v1::Command command;
  command.mutable_create_join_token()->set_account(provider);
  command.mutable_create_join_token()->set_secret_hash(secret_hash);
  command.mutable_create_join_token()->set_uses_max(uses_max);
  return command;
}

v1::NodeFacts facts_of(const MadeUpNode& node) {
  v1::NodeFacts facts;
  facts.set_name(fmt::format("node-{}", node.number));
  facts.set_region(node.region);
  facts.set_cpu_thousandths(node.cpu_thousandths * node.devices);
  facts.set_memory_mb(node.memory_mb * node.devices);
  facts.set_disk_mb(node.disk_mb * node.devices);
  facts.set_isolation(v1::BUBBLEWRAP);
  for (std::uint32_t i = 0; i < node.devices; ++i) {
    v1::Device& device = *facts.add_devices();
    device.set_index(i);
    device.set_uuid(fmt::format("GPU-{}-{}", node.number, i));
    device.set_model(node.model);
    device.set_kind(v1::GPU);
    device.set_memory_mb(node.device_memory_mb);
  }
  return facts;
}

v1::Command offer_command(NodeId node, Micros device_hour) {
  v1::Command command;
  command.mutable_set_offer()->set_node(node.value);
  command.mutable_set_offer()->set_device_hour_micros(device_hour.value);
  return command;
}

v1::Command link_command(NodeId node, bool connected) {
  v1::Command command;
  command.mutable_set_node_link()->set_node(node.value);
  command.mutable_set_node_link()->set_connected(connected);
  return command;
}

void add_meter(v1::WorkloadReport& report, std::uint32_t sequence, Duration running, Time now) {
  v1::MeterRecord& meter = *report.add_meters();
  meter.set_lease(report.lease());
  meter.set_sequence(sequence);
  meter.set_running_us(running.value);
  meter.set_measured_at_us(now.us);
  meter.set_signature(std::string(64, 's'));
}

double thread_seconds() {
  timespec time{};
  FALLOW_CHECK(::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) == 0, "no thread clock");
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

}  // namespace fallow::sim
