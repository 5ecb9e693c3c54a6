#include "core/device_records.h"

#include <algorithm>

#include "core/proofs.h"

namespace fallow::core {
namespace {

std::uint32_t reliability_of(const DeviceRecord& record) {
  Node node;
  node.leases_kept = record.kept;
  node.leases_broken = record.broken;
  return reliability_ppm(node);
}

}  // namespace

void note_record(MarketState& state, const Node& node) {
  if (!state.policy.keeps_device_records() || node.leases_broken == 0) return;
  for (const NodeDevice& device : node.devices) {
    if (!is_one_of_its_kind(device.facts)) continue;
    state.device_records.insert_or_assign(
        device.facts.uuid(), DeviceRecord{node.id, node.leases_kept, node.leases_broken});
    if (state.device_records.size() > state.limits.device_records_max) {
      state.device_records.erase(state.device_records.begin());
    }
  }
}

std::vector<std::string> names_of_devices(const Node& node) {
  std::vector<std::string> names;
  for (const NodeDevice& device : node.devices) names.push_back(device.facts.uuid());
  return names;
}

void inherit_record(MarketState& state, Node& node, const std::vector<std::string>& had) {
  if (!state.policy.keeps_device_records()) return;
  bool inherits = false;
  for (const NodeDevice& device : node.devices) {
    if (std::find(had.begin(), had.end(), device.facts.uuid()) != had.end()) continue;
    const auto found = state.device_records.find(device.facts.uuid());
    if (found == state.device_records.end() || !is_one_of_its_kind(device.facts)) continue;
    const DeviceRecord& record = found->second;
    if (record.node == node.id || reliability_of(record) >= reliability_ppm(node)) continue;
    node.leases_kept = record.kept;
    node.leases_broken = record.broken;
    node.kept_time = Duration(0);
    inherits = true;
  }
  if (inherits) note_record(state, node);
}

}  // namespace fallow::core
