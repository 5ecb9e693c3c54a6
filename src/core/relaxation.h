// What would make a demand match that does not: one predicate or requirement changed, as little as
// helps. "lower gpu_ram to 16", "raise max price to 0.31", "wait: 3 matching offers are busy".
//
// Market thread only. A change is the smallest one for its predicate or requirement; between equal
// ones the cheapest result counts, then the more reliable node, then the lower node id.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/book.h"
#include "core/placement.h"

namespace fallow::core {

// What is changed, in the order in which equally cheap changes are told.
enum class Change : std::uint8_t {
  kPredicate,
  kNodes,
  kPrice,
  kGpus,
  kShare,
  kDuration,
  kMemory,
  kCpu,
  kDisk,
  kIsolation,
  kNetwork,
  kWait,
};

// A changed predicate: one that also holds for the value it failed for. `number` or `word` is
// that value. A comparison becomes <= or >=; = becomes in; != and notin lose the value.
Predicate widened(const Predicate& predicate, std::int64_t number);
Predicate widened(const Predicate& predicate, std::string_view word);

// Of a gang that finds no place: fewer nodes, a higher price, fewer GPUs each, or waiting; each
// with what the dearest of its nodes would then cost. What it does not look at is said of none.
std::vector<v1::Relaxation> gang_relaxations(const Book& book, const Demand& demand);

// The answer as the API gives it. `number` in the change's own unit: micros, devices, thousandths,
// microseconds, megabytes, v1::Isolation, v1::Network, or offers for kWait.
v1::Relaxation relaxation_of(Change change, const v1::Requirements& asked, std::int64_t number,
                             Micros rate_hour);
v1::Relaxation relaxation_of(const Predicate& predicate, std::int64_t number, Micros rate_hour);
v1::Relaxation relaxation_of(const Predicate& predicate, std::string_view word, Micros rate_hour);

// Looks at every node once. The answer does not depend on their order; cheapest first is fastest.
class RelaxationScan {
 public:
  // The demand matches no node.
  explicit RelaxationScan(const Demand& demand);

  void consider(const Node& node);
  // Could the predicate, moved by `distance`, give a better answer than the one found so far, on a
  // node where a task costs at least `rate_hour_min`?
  bool worth(std::size_t predicate, std::int64_t distance, Micros rate_hour_min) const;
  std::vector<v1::Relaxation> finish() const;

 private:
  struct Found {
    bool any = false;
    std::int64_t distance = 0;
    Rank rank;
    std::int64_t number = 0;
    std::string word;
  };
  // What of the node itself fails now: at most one of them may, if one change is to help.
  struct Failures {
    std::size_t count = 0;
    bool link = false;
    std::optional<Change> change;
    std::optional<std::size_t> predicate;
  };
  Failures failures_of(const Node& node) const;

  static bool better(const Found& found, std::int64_t distance, const Rank& rank,
                     std::int64_t number, std::string_view word);
  static void offer(Found& found, std::int64_t distance, const Rank& rank, std::int64_t number,
                    std::string_view word = {});
  void try_predicate(std::size_t at, const Node& node);
  void try_device_value(std::size_t at, const Node& node, const v1::Device& device,
                        const Rank& rank);
  void try_wait(const Node& node);
  void try_change(Change change, const Node& node);
  std::optional<std::int64_t> value_for(Change change, const Node& node) const;

  Demand demand_;  // as asked for, but the cheapest
  Matcher matcher_;
  std::vector<Demand> lifted_;  // by predicate: without it
  Demand scratch_;              // one requirement changed
  std::int64_t waiting_ = 0;
  std::vector<Found> predicates_;
  std::vector<Found> changes_;  // by Change
};

}  // namespace fallow::core
