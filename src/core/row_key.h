// The place of a row in a list, comparable with a cursor's.
//
// Market thread only; a RowOrder refers to its matcher and keys, which must outlive it.
#pragma once

#include <vector>

#include "core/listing.h"
#include "core/placement.h"

namespace fallow::core {

using RowKey = ListCursor;

class RowOrder {
 public:
  RowOrder(const Matcher& matcher, const std::vector<SortKey>& order);

  // Without keys of its own a list has match()'s order.
  RowKey key(const Node& node, const Candidate& candidate) const;
  // The rank in a key of match()'s order; values that it lacks are 0.
  static Rank rank(const RowKey& key);
  // A strict total order of keys that key() made. A cursor of another order compares by what it
  // has: a wrong page token gives a wrong page, never a fault.
  bool before(const RowKey& a, const RowKey& b) const;

 private:
  const Matcher& matcher_;
  const std::vector<SortKey>& order_;
};

}  // namespace fallow::core
