#include "core/listing.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/check.h"
#include "base/number.h"
#include "core/placement.h"
#include "core/row_key.h"

namespace fallow::core {
namespace {

constexpr std::size_t kValuesMax = kSortKeysMax + 1;

bool is_field_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

std::optional<std::string> parse_hex_word(std::string_view hex) {
  if (hex.size() % 2 != 0) return std::nullopt;
  std::string word;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    unsigned byte = 0;
    const char* const end = hex.data() + i + 2;
    if (std::from_chars(hex.data() + i, end, byte, 16).ptr != end) return std::nullopt;
    word += static_cast<char>(byte);
  }
  return word;
}

std::optional<SortValue> parse_value(std::string_view part) {
  SortValue value;
  if (part.starts_with('n')) {
    const std::optional<std::int64_t> number = parse_number<std::int64_t>(part.substr(1));
    if (!number) return std::nullopt;
    value.number = *number;
  } else if (part.starts_with('w')) {
    std::optional<std::string> word = parse_hex_word(part.substr(1));
    if (!word) return std::nullopt;
    value.word = *std::move(word);
  } else {
    return std::nullopt;
  }
  return value;
}

// Admitted devices and the least memory among them: what a row shows of a node with mixed ones.
struct Admitted {
  std::uint32_t count = 0;
  std::uint32_t memory_mb_min = std::numeric_limits<std::uint32_t>::max();
  const v1::Device* first = nullptr;
};

Admitted admitted_of(const Query& query, const Node& node) {
  Admitted admitted;
  for (const NodeDevice& device : node.devices) {
    if (!query.admits(device.facts)) continue;
    ++admitted.count;
    admitted.memory_mb_min = std::min(admitted.memory_mb_min, device.facts.memory_mb());
    if (admitted.first == nullptr || device.facts.index() < admitted.first->index()) {
      admitted.first = &device.facts;
    }
  }
  return admitted;
}

SortValue value_of(const Demand& demand, Field field, const Node& node, Micros device_hour) {
  SortValue value;
  if (field == Field::kNumGpus || is_of_device(field)) {
    const Admitted admitted = admitted_of(demand.query, node);
    FALLOW_CHECK(admitted.first != nullptr, "node {} is listed without a device", node.id.value);
    if (field == Field::kNumGpus) {
      value.number = admitted.count;
    } else if (field == Field::kGpuRam) {
      value.number = admitted.memory_mb_min;
    } else {
      value.word = canonical_word(word_of(*admitted.first, field));
    }
  } else if (is_word(field)) {
    value.word = canonical_word(word_of(node, field));
  } else {
    value.number = number_of(node, field, device_hour, node.offer.egress_gb);
  }
  return value;
}

}  // namespace

std::optional<std::vector<SortKey>> parse_order(std::string_view text, QueryError& error) {
  std::vector<SortKey> order;
  const auto refuse = [&](std::size_t at, std::string message) {
    error.column = static_cast<std::uint32_t>(at + 1);
    error.message = std::move(message);
    return std::nullopt;
  };
  std::size_t at = 0;
  while (at < text.size()) {
    if (order.size() == kSortKeysMax) {
      return refuse(at, fmt::format("at most {} fields order a list", kSortKeysMax));
    }
    const std::size_t start = at;
    while (at < text.size() && is_field_name(text[at])) ++at;
    const std::optional<Field> field = field_named(text.substr(start, at - start));
    if (!field) return refuse(start, "expected a field to order by, such as price or reliability-");
    const bool descending = at < text.size() && text[at] == '-';
    if (descending) ++at;
    order.push_back({*field, descending});
    if (at == text.size()) break;
    if (text[at] != ',')
      return refuse(at, "expected a comma between fields, as in price,reliability-");
    ++at;
    if (at == text.size()) return refuse(at, "expected a field behind the comma");
  }
  return order;
}

std::string text_of(const ListCursor& cursor) {
  std::string text;
  for (const SortValue& value : cursor.values) {
    if (value.word.empty()) {
      text += fmt::format("n{}", value.number);
    } else {
      text += 'w';
      for (const char c : value.word) text += fmt::format("{:02x}", static_cast<unsigned char>(c));
    }
    text += '.';
  }
  return text + fmt::format("{}", cursor.node.value);
}

std::optional<ListCursor> cursor_of_text(std::string_view text) {
  if (text.size() > kCursorBytesMax) return std::nullopt;
  ListCursor cursor;
  for (;;) {
    const std::size_t dot = text.find('.');
    if (dot == std::string_view::npos) break;
    if (cursor.values.size() == kValuesMax) return std::nullopt;
    std::optional<SortValue> value = parse_value(text.substr(0, dot));
    if (!value) return std::nullopt;
    cursor.values.push_back(*std::move(value));
    text.remove_prefix(dot + 1);
  }
  const std::optional<std::uint64_t> node = parse_number<std::uint64_t>(text);
  if (!node) return std::nullopt;
  cursor.node = NodeId(*node);
  return cursor;
}

RowOrder::RowOrder(const Matcher& matcher, const std::vector<SortKey>& order)
    : matcher_(matcher), order_(order) {
  FALLOW_CHECK(order.size() <= kSortKeysMax, "{} sort keys", order.size());
}

RowKey RowOrder::key(const Node& node, const Candidate& candidate) const {
  const Rank rank = matcher_.rank(node, candidate);
  RowKey key;
  key.node = node.id;
  if (order_.empty()) {
    key.values = {SortValue{rank.first, {}}, SortValue{rank.rate_hour.value, {}},
                  SortValue{rank.unreliability, {}}};
    return key;
  }
  for (const SortKey& sort : order_) {
    key.values.push_back(value_of(matcher_.demand(), sort.field, node, candidate.device_hour));
  }
  key.values.push_back(SortValue{rank.rate_hour.value, {}});
  return key;
}

Rank RowOrder::rank(const RowKey& key) {
  const auto number = [&](std::size_t i) {
    return i < key.values.size() ? key.values[i].number : 0;
  };
  return Rank{number(0), Micros(number(1)), number(2), key.node};
}

bool RowOrder::before(const RowKey& a, const RowKey& b) const {
  const std::size_t size = std::min(a.values.size(), b.values.size());
  for (std::size_t i = 0; i < size; ++i) {
    const auto order = a.values[i] <=> b.values[i];
    if (order == 0) continue;
    const bool descending = i < order_.size() && order_[i].descending;
    return descending ? order > 0 : order < 0;
  }
  return a.node < b.node;
}

ListCursor cursor_of(const Demand& demand, const Scoring& scoring,
                     const std::vector<SortKey>& order, const Placement& row) {
  FALLOW_CHECK(row.node != nullptr, "a row of a list has a node");
  const Matcher matcher(demand, scoring);
  // The same evaluation as the list's own, so that the key is the row's.
  const Supply supply = row.free ? Supply::kFree : Supply::kOffered;
  const std::optional<Candidate> candidate = matcher.fit(*row.node, supply);
  FALLOW_CHECK(candidate.has_value(), "node {} is no row of this list", row.node->id.value);
  return RowOrder(matcher, order).key(*row.node, *candidate);
}

}  // namespace fallow::core
