#include "core/node.h"

#include <algorithm>

namespace fallow::core {

void count_ended(Node& node, bool broken, Duration proven, bool weighs_kept_time) {
  if (broken) {
    ++node.leases_broken;
    return;
  }
  node.kept_time += weighs_kept_time ? std::min(proven, kKeptWhole) : kKeptWhole;
  if (node.kept_time < kKeptWhole) return;
  node.kept_time = node.kept_time - kKeptWhole;
  ++node.leases_kept;
}

std::uint32_t reliability_ppm(const Node& node) {
  // A new node counts as if it had kept 19 of 20 leases: one bad start does not damn it, and no
  // record is ever taken for certain.
  constexpr std::uint64_t kPriorKept = 19;
  constexpr std::uint64_t kPriorLeases = 20;
  constexpr std::uint64_t kWhole = 1'000'000;
  const std::uint64_t kept = kPriorKept + node.leases_kept;
  const std::uint64_t leases = kPriorLeases + node.leases_kept + std::uint64_t{node.leases_broken};
  return static_cast<std::uint32_t>(kept * kWhole / leases);
}

}  // namespace fallow::core
