// Nodes and demands for the tests of the book: small builders, nothing random.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/book.h"

namespace fallow::core {

struct TestDevice {
  std::string model = "RTX_4090";
  std::uint32_t memory_mb = 24'564;
  std::uint32_t free_thousandths = kWholeDevice;
  v1::DeviceKind kind = v1::GPU;
};

// An idle node with room for everything, offered at `device_hour` micros.
inline Node test_node(std::uint64_t id, std::int64_t device_hour,
                      const std::vector<TestDevice>& devices = {TestDevice{}}) {
  Node node;
  node.id = NodeId(id);
  node.provider = AccountId(7);
  node.facts.set_region("eu");
  node.facts.set_cpu_thousandths(16'000);
  node.facts.set_memory_mb(64'000);
  node.facts.set_disk_mb(500'000);
  node.facts.set_isolation(v1::BUBBLEWRAP);
  node.cpu_thousandths_free = node.facts.cpu_thousandths();
  node.memory_mb_free = node.facts.memory_mb();
  node.disk_mb_free = node.facts.disk_mb();
  node.connected = true;
  node.offer.id = OfferId(id * 10);
  node.offer.device_hour = Micros(device_hour);
  for (const TestDevice& device : devices) {
    NodeDevice& added = node.devices.emplace_back();
    added.facts.set_index(static_cast<std::uint32_t>(node.devices.size() - 1));
    added.facts.set_model(device.model);
    added.facts.set_memory_mb(device.memory_mb);
    added.facts.set_kind(device.kind);
    added.free_thousandths = device.free_thousandths;
  }
  return node;
}

inline Demand test_demand(std::string_view query = "") {
  Demand demand;
  QueryError error;
  const std::optional<Query> parsed = Query::parse(query, error);
  EXPECT_TRUE(parsed.has_value()) << query << ": " << error.message;
  if (parsed) demand.query = *parsed;
  return demand;
}

}  // namespace fallow::core
