// What the placement laboratory works with: nodes with divisible devices, and pods that ask for
// parts of them. Values; no owner, no thread.
//
// "Pod" is the trace's own word for one arriving request that runs for ever: FGD, "Beware of
// Fragmentation" (USENIX ATC'23), and the OpenB trace use it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace fallow::sim {

constexpr int kDeviceMilli = 1000;  // of one whole device
constexpr int kDevicesPerNodeMax = 16;
constexpr std::size_t kModelsMax = 64;  // GPU models in a fleet; a class has a mask of them
constexpr std::size_t kPlaceNodesMax = 1'000'000;
constexpr std::size_t kPodsMax = 10'000'000;  // in a list

// Requests that only differ in memory are of one class, as FGD counts them.
struct PodClass {
  std::int32_t cpu_milli = 0;
  std::int32_t devices = 0;       // 0: CPU only
  std::int32_t device_milli = 0;  // on each device; below 1000 only with one device
  std::string models_text;        // "V100M16|V100M32" as the list has it; empty: any
  std::uint64_t models = ~0ULL;   // bit by bit of Fleet::models

  bool shared() const { return devices == 1 && device_milli < kDeviceMilli; }
  std::int64_t total_milli() const { return std::int64_t{devices} * device_milli; }
};

struct Pod {
  std::uint32_t pod_class = 0;  // index into PodList::classes
  std::int32_t memory_mib = 0;
};

// What is free on a node.
struct NodeState {
  std::int32_t cpu_milli = 0;
  std::int32_t memory_mib = 0;
  std::uint8_t model = 0;  // index into Fleet::models
  std::uint8_t devices = 0;
  std::array<std::int16_t, kDevicesPerNodeMax> free_milli{};  // device by device; first `devices`

  int free_total() const {
    int total = 0;
    for (int i = 0; i < devices; ++i) total += free_milli[static_cast<std::size_t>(i)];
    return total;
  }
  int free_of(int device) const { return free_milli[static_cast<std::size_t>(device)]; }
  // Whether the GPU side of the class fits: model, and devices with enough left.
  bool offers_devices(const PodClass& c) const {
    if (c.devices == 0) return true;
    if (((c.models >> model) & 1) == 0) return false;
    int enough = 0;
    for (int i = 0; i < devices; ++i) enough += free_of(i) >= c.device_milli ? 1 : 0;
    return enough >= c.devices;
  }
  // All but memory, which the classes leave out.
  bool fits(const PodClass& c) const { return cpu_milli >= c.cpu_milli && offers_devices(c); }
  // The state with the class placed: a shared one on `device`, whole ones on the first free.
  // It must fit; memory is the caller's.
  NodeState with(const PodClass& c, int device) const {
    NodeState after = *this;
    after.cpu_milli -= c.cpu_milli;
    if (c.shared()) {
      const auto slot = static_cast<std::size_t>(device);
      after.free_milli[slot] = static_cast<std::int16_t>(after.free_milli[slot] - c.device_milli);
      return after;
    }
    int missing = c.devices;
    for (std::size_t i = 0; i < devices && missing > 0; ++i) {
      if (after.free_milli[i] < c.device_milli) continue;
      after.free_milli[i] = static_cast<std::int16_t>(after.free_milli[i] - c.device_milli);
      --missing;
    }
    return after;
  }
};

struct Fleet {
  std::vector<std::string> names;   // in byte order
  std::vector<NodeState> nodes;     // by the same index; everything free
  std::vector<std::string> models;  // at most kModelsMax
  std::int64_t device_milli = 0;    // of all devices

  std::int64_t devices() const { return device_milli / kDeviceMilli; }
};

struct PodList {
  std::vector<PodClass> classes;
  std::vector<Pod> pods;  // in the byte order of their names
};

}  // namespace fallow::sim
