// Which pods arrive, in which order: the resampling of "Beware of Fragmentation" (USENIX ATC'23,
// section 6.1), as its published simulator draws it.
//
// The list is shuffled; then pods drawn with replacement follow until the devices asked for reach
// the wanted share of the fleet's. A list that asks for more loses pods drawn by chance. The same
// seed gives the arrivals of the published run with that seed (sim/lagged_random.h).
#pragma once

#include <cstdint>
#include <vector>

#include "sim/lagged_random.h"
#include "sim/place_types.h"

namespace fallow::sim {

struct Arrivals {
  std::vector<std::uint32_t> pods;  // indices into PodList::pods
  // Among equal scores the lowest rank wins. The published runs renamed the nodes by chance, once
  // a seed, and let the lowest name win.
  std::vector<std::uint32_t> node_ranks;
  // Stands where these draws ended, for choices by chance during the run.
  LaggedRandom random;
};

// `demand_percent` of the fleet's devices arrive, 1 to 1000. The list asks for at least one.
Arrivals draw_arrivals(const Fleet& fleet, const PodList& list, std::int64_t seed,
                       int demand_percent);

}  // namespace fallow::sim
