// The query language, list orders and page tokens on arbitrary bytes.
//
// Beside "no crash": what parses prints, the print parses to an equal query, and both judge a node
// alike; what does not parse names a column within the text or just behind it.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "core/listing.h"
#include "core/query.h"

namespace {

using fallow::core::Node;
using fallow::core::NodeDevice;
using fallow::core::Query;
using fallow::core::QueryError;

Node rig() {
  Node node;
  node.id = fallow::NodeId(4'096);
  node.facts.set_region("eu");
  node.facts.set_memory_mb(64'000);
  for (const char* model : {"RTX_4090", "RTX_3060"}) {
    NodeDevice& device = node.devices.emplace_back();
    device.facts.set_model(model);
    device.facts.set_kind(fallow::v1::GPU);
    device.facts.set_memory_mb(24'564);
  }
  node.offer.device_hour = fallow::Micros(310'000);
  return node;
}

void check_error(std::string_view text, const QueryError& error) {
  FALLOW_CHECK(error.column >= 1 && error.column <= text.size() + 1, "column {} of {} bytes",
               error.column, text.size());
  FALLOW_CHECK(!error.message.empty(), "an error says what was expected");
  for (const char c : error.message) {
    FALLOW_CHECK(c >= ' ' && c < 0x7f, "an error is printable");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Node node = rig();
  const std::string_view text(reinterpret_cast<const char*>(data), size);

  QueryError error;
  if (const auto query = Query::parse(text, error)) {
    // Printing may lengthen a query (quotes, leading zeros of decimals): no bound on reading it.
    const std::string printed = query->text();
    QueryError again;
    const auto reparsed = Query::parse(printed, again, printed.size());
    FALLOW_CHECK(reparsed.has_value(), "\"{}\": column {}: {}", printed, again.column,
                 again.message);
    FALLOW_CHECK(*reparsed == *query, "\"{}\" is another query", printed);
    FALLOW_CHECK(reparsed->text() == printed, "\"{}\" prints differently", printed);
    FALLOW_CHECK(reparsed->matches(node) == query->matches(node), "\"{}\" judges differently",
                 printed);
  } else {
    check_error(text, error);
  }

  QueryError order_error;
  if (const auto order = fallow::core::parse_order(text, order_error)) {
    FALLOW_CHECK(order->size() <= fallow::core::kSortKeysMax, "{} sort keys", order->size());
  } else {
    check_error(text, order_error);
  }
  if (const auto cursor = fallow::core::cursor_of_text(text)) {
    const auto again = fallow::core::cursor_of_text(fallow::core::text_of(*cursor));
    FALLOW_CHECK(again == cursor, "a page token does not survive its text");
  }
  return 0;
}
