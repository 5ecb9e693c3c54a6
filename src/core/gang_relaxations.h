// What would make a gang match that does not: one predicate or requirement changed, as little as
// gives it nodes enough.
//
// Market thread only. A comparison is moved as far as the last node that is missing needs it. Of
// changes that stand beside each other (another model, another region, another exact number) the
// nearest counts that gives nodes enough by itself, and of equally near ones that whose nodes are
// the cheapest: compared by the rank of the last that is missing.
#pragma once

#include <absl/container/btree_map.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/book.h"
#include "core/placement.h"
#include "core/relaxation.h"

namespace fallow::core {

// `number` and `word` as relaxation_of() takes them.
struct GangChange {
  Change change = Change::kPredicate;
  std::size_t predicate = 0;  // of kPredicate: its place in the query
  std::int64_t number = 0;
  std::string word;
};

// Is the predicate ever named? Not where it is of single devices and num_gpus has a limit above or
// exact numbers beside it: then the devices it lets in may be too many on some nodes and enough on
// others, and no change is the smallest.
bool is_named_for_gangs(const Query& query, std::size_t at);
// Is the shorter time ever named? Of a reserved term only within its bracket: in another one every
// node has another price.
bool is_named_for_gangs(const v1::Requirements& requirements, Duration shorter);

// The demand with the change; and how it is told, with what the dearest of `gang` costs an hour.
Demand changed(const Demand& demand, const GangChange& change);
v1::Relaxation relaxation_of(const Demand& demand, const GangChange& change,
                             const std::vector<Placement>& gang);
// What the dearest of them costs an hour.
Micros dearest_of(const std::vector<Placement>& placements);

// The nearest values of as many nodes as are missing: bounded, in any order.
class MissingValues {
 public:
  explicit MissingValues(std::size_t missing) : missing_(missing) {}
  bool worth(std::int64_t distance) const {
    return nearest_.size() < missing_ || distance < nearest_.front().first;
  }
  void add(std::int64_t distance, std::int64_t number);
  // That of the farthest of them; none while there are too few.
  std::optional<std::int64_t> number() const;

 private:
  std::size_t missing_;
  std::vector<std::pair<std::int64_t, std::int64_t>> nearest_;  // a heap, the farthest first
};

// Nodes by the one value each would bring in, as many of each as are missing.
class ValueGroups {
 public:
  explicit ValueGroups(std::size_t missing) : missing_(missing) {}
  bool worth(std::int64_t distance, Micros rate_hour_min) const;
  // `word` outlives this.
  void add(const RelaxationValues::Value& value, const Rank& rank);
  struct Best {
    std::int64_t distance;
    Rank last;
    std::int64_t number;
    std::string_view word;  // as the last node spells it
  };
  const std::optional<Best>& best() const { return best_; }

 private:
  using Member = std::pair<Rank, std::string_view>;
  std::size_t missing_;
  absl::btree_map<std::pair<std::int64_t, std::string>, std::vector<Member>> groups_;  // of heaps
  std::optional<Best> best_;
};

// Looks at every node once. The answer does not depend on their order; cheapest first is fastest.
class GangRelaxationScan {
 public:
  // For the cheapest gang, nobody avoided. It lacks `missing` nodes beside those that match as it
  // is; at least 1.
  GangRelaxationScan(const Demand& demand, std::size_t missing);

  void consider(const Node& node);
  // Could the predicate, moved by `distance`, give a better answer than the one found so far, on a
  // node where a task costs at least `rate_hour_min`?
  bool worth(std::size_t predicate, std::int64_t distance, Micros rate_hour_min) const;
  // In the order of predicates, then of Change.
  std::vector<GangChange> finish() const;

 private:
  void add(std::size_t predicate, const RelaxationValues::Value& value, const Rank& rank);
  void try_predicate(std::size_t at, const Node& node);
  void try_devices(std::size_t at, const Node& node);
  void try_change(Change change, const Node& node);
  void try_shares(const Node& node);
  std::optional<std::int64_t> nearest_share() const;

  Demand demand_;
  RelaxationValues values_;
  const Matcher& matcher_;              // of values_
  std::vector<Demand> lifted_;          // by predicate: without it
  Demand scratch_;                      // one requirement changed
  std::vector<MissingValues> moved_;    // by predicate that is a comparison
  std::vector<ValueGroups> replaced_;   // by predicate that is none
  std::vector<MissingValues> changes_;  // by Change
  // By share: how many nodes more have room for it than have for one less.
  std::vector<std::int64_t> share_steps_;
  std::size_t missing_;
};

}  // namespace fallow::core
