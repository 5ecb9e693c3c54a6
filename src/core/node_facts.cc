#include "core/node_facts.h"

#include <algorithm>

namespace fallow::core {

std::optional<Refusal> check_facts(const v1::NodeFacts& facts, const Limits& limits) {
  const auto text = [&](std::string_view field, std::string_view value) -> std::optional<Refusal> {
    if (value.size() <= limits.name_bytes_max) return std::nullopt;
    return refusal(v1::VALUE_INVALID, field, "{} is longer than {} bytes", field,
                   limits.name_bytes_max);
  };
  if (auto why = text("facts.name", facts.name())) return why;
  if (auto why = text("facts.region", facts.region())) return why;
  if (auto why = text("facts.lan", facts.lan())) return why;
  if (auto why = text("facts.rack", facts.rack())) return why;
  if (auto why = text("facts.agent_version", facts.agent_version())) return why;
  if (!v1::Isolation_IsValid(facts.isolation())) {
    return refusal(v1::VALUE_INVALID, "facts.isolation", "isolation {} is unknown",
                   static_cast<int>(facts.isolation()));
  }
  if (!v1::Network_IsValid(facts.network())) {
    return refusal(v1::VALUE_INVALID, "facts.network", "network {} is unknown",
                   static_cast<int>(facts.network()));
  }
  if (static_cast<std::size_t>(facts.devices_size()) > limits.devices_per_node_max) {
    return refusal(v1::VALUE_INVALID, "facts.devices", "{} devices: at most {} are accepted",
                   facts.devices_size(), limits.devices_per_node_max);
  }
  std::uint32_t place = 0;
  for (const v1::Device& device : facts.devices()) {
    if (device.index() != place++) {
      return refusal(v1::VALUE_INVALID, "facts.devices.index",
                     "device indexes must be 0, 1, 2 ... in this order: found {}", device.index());
    }
    if (auto why = text("facts.devices.uuid", device.uuid())) return why;
    if (auto why = text("facts.devices.model", device.model())) return why;
    if (auto why = text("facts.devices.driver", device.driver())) return why;
    if (device.kind() != v1::GPU && device.kind() != v1::CPU) {
      return refusal(v1::VALUE_INVALID, "facts.devices.kind", "a device is a GPU or a CPU");
    }
  }
  return std::nullopt;
}

void merge_facts(Node& node, const v1::NodeFacts& facts) {
  const auto is_leased = [](const NodeDevice& device) {
    return device.free_thousandths != kWholeDevice;
  };
  const auto last_leased = std::find_if(node.devices.rbegin(), node.devices.rend(), is_leased);
  const auto kept = static_cast<std::size_t>(node.devices.rend() - last_leased);
  const auto told = static_cast<std::size_t>(facts.devices_size());
  bool is_another = std::max(kept, told) != node.devices.size();
  node.devices.resize(std::max(kept, told));
  for (std::size_t place = 0; place < told; ++place) {
    NodeDevice& device = node.devices[place];
    const v1::Device& fact = facts.devices(static_cast<int>(place));
    if (is_leased(device) && device.facts.uuid() != fact.uuid()) continue;
    v1::Device taken = fact;
    taken.clear_proof();
    const bool same = device.facts.uuid() == fact.uuid() && device.facts.kind() == fact.kind() &&
                      device.facts.model() == fact.model() &&
                      device.facts.memory_mb() == fact.memory_mb();
    is_another = is_another || !same;
    if (same && device.facts.has_proof()) *taken.mutable_proof() = device.facts.proof();
    if (!same) device.verified_int8_mops = 0;
    device.facts = std::move(taken);
  }
  if (is_another) {
    node.proof = ProofId();
    node.proof_disturbed = false;
  }
  node.facts = facts;
  node.facts.clear_devices();
}

}  // namespace fallow::core
