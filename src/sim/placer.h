// One run of the placement laboratory: pods arrive one by one, for ever; each is placed where the
// policy says, or dropped when it fits nowhere ("Beware of Fragmentation", USENIX ATC'23,
// section 6). Keeps nothing; one thread per run.
#pragma once

#include <array>
#include <cstdint>

#include "base/digest.h"
#include "sim/fragmentation.h"
#include "sim/place_arrivals.h"
#include "sim/place_policy.h"
#include "sim/place_types.h"

namespace fallow::sim {

// Arrived demand in percent of the fleet's devices: 10, 20 ... 130. A figure is the mean over the
// decisions after which the arrived demand, rounded, is that percentage, as the published analysis
// takes it; where no decision is, the state that the demand passed it in.
constexpr int kLoadStep = 10;
constexpr int kLoadMax = 130;
constexpr std::size_t kLoads = kLoadMax / kLoadStep;

struct LoadFigures {
  double allocation_pct = 0;       // used device thousandths of all
  double fragmented_pct = 0;       // fragments of all device thousandths
  double fragmented_idle_pct = 0;  // fragments of the free ones; 0 when none is free
  double accepted_pct = 0;         // of the pods that arrived
  double cpu_only_pct = 0;         // accepted of the CPU that CPU-only pods asked for
};

struct PlaceRun {
  std::int64_t seed = 0;
  std::array<LoadFigures, kLoads> loads{};  // [i]: at (i + 1) * kLoadStep percent
  std::uint64_t decisions = 0;
  double seconds = 0;  // of this thread's processor, spent on the decisions
  Digest digest{};     // of the fleet's names and every placement
};

PlaceRun run_placement(const Fleet& fleet, const PodList& list, const Fragmentation& fragmentation,
                       PolicyKind kind, std::int64_t seed);

}  // namespace fallow::sim
