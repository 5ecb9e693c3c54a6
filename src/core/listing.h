// How a list of offers is ordered and continued page by page: `fallow offers -o
// price,reliability-`.
//
// Values; no owner, any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "core/query.h"

namespace fallow::core {

struct SortKey {
  Field field = Field::kPrice;
  bool descending = false;
};
constexpr std::size_t kSortKeysMax = 4;

// "price,reliability-": fields, a trailing minus turns the order round. Empty text is no keys.
// On failure `error` names the column.
std::optional<std::vector<SortKey>> parse_order(std::string_view text, QueryError& error);

// The value of one sort key of a row: a number or a word.
struct SortValue {
  std::int64_t number = 0;
  std::string word;
  auto operator<=>(const SortValue&) const = default;
};

// Where a page stopped: the sort values of its last row, then its node.
struct ListCursor {
  std::vector<SortValue> values;
  NodeId node;
  bool operator==(const ListCursor&) const = default;
};

// The page token, of the characters [0-9a-z.-] only, and back. cursor_of_text refuses what has not
// that form or is longer than kCursorBytesMax.
std::string text_of(const ListCursor& cursor);
std::optional<ListCursor> cursor_of_text(std::string_view text);
constexpr std::size_t kCursorBytesMax = 4'096;

struct ListOptions {
  bool free_only = false;
  std::size_t count_max = 100;
  std::vector<SortKey> order;       // at most kSortKeysMax; empty: by the demand's objective
  std::optional<ListCursor> after;  // from cursor_of() of the last row of a page in the same order
};

struct Demand;
struct Placement;
struct Scoring;

// The place of a row in a list of this demand and order, of a book with this scoring. Over a book
// that changes between pages, a row that keeps its values is seen exactly once.
ListCursor cursor_of(const Demand& demand, const Scoring& scoring,
                     const std::vector<SortKey>& order, const Placement& row);

}  // namespace fallow::core
