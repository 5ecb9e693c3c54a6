// A page of a list of offers in the caller's own order. The book has no such order: every node is
// looked at, and the page keeps the best of them, so that the nodes can be shown to it in several
// short visits of the market between which commands are applied.
//
// A node is a row as it is when it is looked at: one that keeps its values is seen exactly once
// over all pages, however the visits are cut. Owner: one request; used on the market thread only.
#pragma once

#include <vector>

#include "core/listing.h"
#include "core/placement.h"

namespace fallow::core {

class OrderedPage {
 public:
  // options.order is not empty.
  explicit OrderedPage(ListOptions options);

  // By the matcher of the list's demand. Each node once, in any order.
  void look_at(const Node& node, const Matcher& matcher);

  // The page's rows, the first one first: of their cursors the node's id, too. At most
  // options.count_max; the last one's cursor is where the next page begins.
  const std::vector<ListCursor>& rows() const { return rows_; }

 private:
  ListOptions options_;
  std::vector<ListCursor> rows_;
};

}  // namespace fallow::core
