// What the spot laboratory works with: a zone's trace of spot capacity, and one job with a deadline
// that may run on it. Values; no owner, no thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/types.h"

namespace fallow::sim {

// Looked at every `gap`: what was seen holds until the next look.
struct SpotTrace {
  std::string name;  // "aws-02-15-2023/us-east-1a_v100_1"
  Duration gap;
  std::vector<bool> available;
  std::vector<Micros> spot_hour;  // by the same index
};

struct SpotJob {
  std::size_t begin = 0;  // index into the trace
  Duration work;
  Duration deadline;  // from its beginning
  Duration restart;   // from the start of a run until it does new work
  Micros on_demand_hour;
};

}  // namespace fallow::sim
