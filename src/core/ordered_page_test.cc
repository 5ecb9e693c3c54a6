// Pages that are gathered node by node are those of the book's own list.
#include "core/ordered_page.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "base/env.h"
#include "core/book_test_nodes.h"

namespace fallow::core {
namespace {

TEST(OrderedPage, HasTheRowsOfTheBooksList) {
  const std::unique_ptr<Random> random = seeded_random(5);
  const std::unique_ptr<Book> book = make_book();
  std::map<std::uint64_t, Node> nodes;
  for (std::uint64_t id = 1; id <= 60; ++id) {
    TestDevice device;
    device.model = random->below(2) == 0 ? "RTX_4090" : "H100";
    device.free_thousandths = random->below(3) == 0 ? 0 : kWholeDevice;
    Node& node = nodes[id];
    node = test_node(id, static_cast<std::int64_t>(100'000 + 50'000 * random->below(4)), {device});
    node.facts.set_region(random->below(2) == 0 ? "eu" : "us");
    if (random->below(8) == 0) node.offer.id = OfferId(0);
    book->update(node);
  }
  const Demand demand = test_demand("price<0.25");
  const Matcher matcher(demand, book->scoring());
  for (const char* text :
       {"price", "price-", "region,price", "gpu_name-,node", "reliability,node-"}) {
    SCOPED_TRACE(text);
    QueryError error;
    ListOptions options;
    options.order = *parse_order(text, error);
    for (const bool free_only : {false, true}) {
      options.free_only = free_only;
      options.count_max = 7;
      options.after.reset();
      std::size_t rows = 0;
      for (;;) {
        const std::vector<Placement> expected = book->list(demand, options);
        OrderedPage page(options);
        for (const auto& [unused, node] : nodes) page.look_at(node, matcher);
        ASSERT_EQ(page.rows().size(), expected.size());
        for (std::size_t at = 0; at < expected.size(); ++at) {
          EXPECT_EQ(page.rows()[at],
                    cursor_of(demand, book->scoring(), options.order, expected[at]));
        }
        rows += expected.size();
        if (expected.size() < options.count_max) break;
        options.after = page.rows().back();
      }
      EXPECT_GT(rows, 14U) << "there is no second page";
    }
  }
}

}  // namespace
}  // namespace fallow::core
