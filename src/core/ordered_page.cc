#include "core/ordered_page.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "core/row_key.h"

namespace fallow::core {

OrderedPage::OrderedPage(ListOptions options) : options_(std::move(options)) {
  FALLOW_CHECK(!options_.order.empty(), "the book itself lists by rank");
}

void OrderedPage::look_at(const Node& node, const Matcher& matcher) {
  if (options_.count_max == 0) return;
  auto candidate = matcher.fit(node, Supply::kFree);
  if (!candidate && !options_.free_only) candidate = matcher.fit(node, Supply::kOffered);
  if (!candidate) return;
  const RowOrder order(matcher, options_.order);
  RowKey key = order.key(node, *candidate);
  if (options_.after && !order.before(*options_.after, key)) return;
  if (rows_.size() == options_.count_max) {
    if (!order.before(key, rows_.back())) return;
    rows_.pop_back();
  }
  const auto place =
      std::upper_bound(rows_.begin(), rows_.end(), key,
                       [&](const RowKey& a, const RowKey& b) { return order.before(a, b); });
  rows_.insert(place, std::move(key));
}

}  // namespace fallow::core
