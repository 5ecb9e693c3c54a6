// A first sieve for walks over many nodes: what a query asks of the node itself, judged from one
// packed line instead of the node's own scattered memory. It never turns away a node that fits.
//
// Market thread only. A Screen refers to its query, which must outlive it.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/node.h"
#include "core/query.h"

namespace fallow::core {

// The node's own fields. Equal nodes have equal sieves.
struct Sieve {
  static constexpr std::size_t kColumns = 8;
  std::array<std::uint32_t, kColumns> columns{};  // number fields, then the region's hash
};

Sieve sieve_of(const Node& node);

class Screen {
 public:
  explicit Screen(const Query& query);

  bool passes(const Sieve& sieve) const;

  // Predicates that surely fail: how many, and of the last its place in the query and how far it
  // would have to move.
  struct Failures {
    std::size_t count = 0;
    std::size_t predicate = 0;
    std::int64_t distance = 0;

    void add(std::size_t failed, std::int64_t by) {
      ++count;
      predicate = failed;
      distance = by;
    }
  };
  // Stops at the second.
  Failures failures(const Sieve& sieve) const;

 private:
  struct Condition {
    std::size_t column = 0;
    std::int64_t scale = 1;  // from the column's unit to the field's
    std::size_t predicate = 0;
    std::vector<std::uint32_t> hashes;  // of a region that must be one of these
  };
  bool holds(const Condition& condition, const Sieve& sieve) const;

  const std::vector<Predicate>& predicates_;
  std::vector<Condition> conditions_;
};

}  // namespace fallow::core
