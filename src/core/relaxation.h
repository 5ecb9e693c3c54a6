// What would make a demand match that does not: one predicate or requirement changed, as little as
// helps. "lower gpu_ram to 16", "raise max price to 0.31", "wait: 3 matching offers are busy".
//
// Market thread only. A change is the smallest one for its predicate or requirement; between equal
// ones the cheapest result counts, then the more reliable node, then the lower node id. Of gangs
// see core/gang_relaxations.h.
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

// Does it depend on which of a node's devices are admitted?
bool is_of_devices(const Predicate& predicate);

// A changed predicate: one that also holds for the value it failed for. `number` or `word` is
// that value. A comparison becomes <= or >=; = becomes in; != and notin lose the value.
Predicate widened(const Predicate& predicate, std::int64_t number);
Predicate widened(const Predicate& predicate, std::string_view word);

// The demand with its predicate `at` widened so: by the word where the field is one.
Demand widened(const Demand& demand, std::size_t at, std::int64_t number, std::string_view word);
// Without that predicate; and without those on num_gpus where the admitted devices change, for more
// of them may be too many. What fits then is a first sieve.
Demand without_predicate(const Demand& demand, std::size_t at);

// Sets what the change is about to `value`, in the change's own unit (see relaxation_of()), and
// returns what was asked. A price also lifts the demand's other limit, and was asked as it is set.
std::int64_t set_value(Demand& demand, Change change, std::int64_t value);

// The answer as the API gives it. `number` in the change's own unit: micros, devices, thousandths,
// microseconds, megabytes, v1::Isolation, v1::Network, or offers for kWait.
v1::Relaxation relaxation_of(Change change, const v1::Requirements& asked, std::int64_t number,
                             Micros rate_hour);
v1::Relaxation relaxation_of(const Predicate& predicate, std::int64_t number, Micros rate_hour);
v1::Relaxation relaxation_of(const Predicate& predicate, std::string_view word, Micros rate_hour);
// The cheapest first, equals as they stand, and no more than are told.
void order_relaxations(std::vector<v1::Relaxation>& relaxations);

// What of a node stands against a demand, and what it has instead. Refers to the demand, which must
// outlive it.
class RelaxationValues {
 public:
  explicit RelaxationValues(const Demand& demand) : demand_(demand), matcher_(demand) {}
  const Matcher& matcher() const { return matcher_; }

  // What of the node itself fails now: at most one of them may, if one change is to help.
  struct Failures {
    std::size_t count = 0;
    bool link = false;
    std::optional<Change> change;
    std::optional<std::size_t> predicate;
  };
  Failures failures_of(const Node& node) const;

  // What a predicate meets there, and how far it would have to move. `word` lives as long as what
  // it is of.
  struct Value {
    std::int64_t number = 0;
    std::string_view word;
    std::int64_t distance = 0;
  };
  // Not of a field of single devices.
  Value value_of(const Predicate& predicate, const Node& node) const;
  static Value value_of(const Predicate& predicate, const v1::Device& device);
  // The nearest value of what the change is about that the node itself would meet.
  std::optional<std::int64_t> value_for(Change change, const Node& node) const;
  // The least and the greatest share, in thousandths, that it has devices enough for.
  struct Shares {
    std::int64_t low;
    std::int64_t high;
  };
  std::optional<Shares> shares_of(const Node& node) const;

 private:
  std::vector<std::int64_t> admitted_free(const Node& node) const;

  const Demand& demand_;
  Matcher matcher_;
};

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
  static bool better(const Found& found, std::int64_t distance, const Rank& rank,
                     std::int64_t number, std::string_view word);
  static void offer(Found& found, std::int64_t distance, const Rank& rank, std::int64_t number,
                    std::string_view word = {});
  void try_predicate(std::size_t at, const Node& node);
  void try_device_value(std::size_t at, const Node& node, const v1::Device& device,
                        const Rank& rank);
  void try_wait(const Node& node);
  void try_change(Change change, const Node& node);

  Demand demand_;  // as asked for, but the cheapest
  RelaxationValues values_;
  const Matcher& matcher_;      // of values_
  std::vector<Demand> lifted_;  // by predicate: without it
  Demand scratch_;              // one requirement changed
  std::int64_t waiting_ = 0;
  std::vector<Found> predicates_;
  std::vector<Found> changes_;  // by Change
};

}  // namespace fallow::core
