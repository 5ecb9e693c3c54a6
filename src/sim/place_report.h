// The placement laboratory over several seeds: `fallow sim place`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "sim/chart.h"
#include "sim/place_policy.h"
#include "sim/placer.h"

namespace fallow::sim {

constexpr std::int64_t kSeedsMax = 10'000;
constexpr unsigned kPlaceThreadsMax = 64;

struct PlaceOptions {
  std::string nodes;  // paths of the lists, .csv or .csv.gz
  std::string pods;
  PolicyKind policy = PolicyKind::kFallow;
  std::int64_t first_seed = 42;  // first_seed to last_seed, at most kSeedsMax of them
  std::int64_t last_seed = 42;
  unsigned threads = 1;  // runs side by side, 1 to kPlaceThreadsMax; the answer is the same
};

struct PlaceReport {
  PolicyKind policy = PolicyKind::kFallow;
  std::uint64_t nodes = 0;
  std::int64_t devices = 0;
  std::uint64_t pods = 0;  // in the list
  std::uint64_t classes = 0;
  std::vector<PlaceRun> runs;  // by seed
  std::array<LoadFigures, kLoads> mean{};
  double decisions_per_second = 0;  // of one thread's processor
  Digest digest{};                  // of the runs' digests
};

// Reads both lists and runs every seed. kNotFound for an absent file, kInvalid for a bad one.
Result<PlaceReport> run_place(const PlaceOptions& options);
// The same on lists in memory.
PlaceReport run_place(const Fleet& fleet, const PodList& list, const PlaceOptions& options);

// "42..51", or "42" for one seed; kInvalid for anything else.
Status parse_seeds(const std::string& text, PlaceOptions& options);

// One JSON document, without a line end.
std::string to_json(const PlaceReport& report);
// Allocation and fragmentation over the arrived demand.
Chart allocation_chart(const PlaceReport& report);

}  // namespace fallow::sim
