// Offers ranked by the full score, beside the same by price alone.
#include <fmt/core.h>

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "core/placement.h"
#include "match_load.h"

namespace fallow::bench {
namespace {

// The best rank by a plain scan of all nodes.
core::Rank best_of_all(MatchMarket& market, const core::Demand& demand) {
  const core::Matcher matcher(demand, market.book().scoring());
  core::Rank best{.first = std::numeric_limits<std::int64_t>::max()};
  for (const core::Node& node : market.nodes()) {
    const auto candidate = matcher.fit(node, core::Supply::kFree);
    if (candidate) best = std::min(best, matcher.rank(node, *candidate));
  }
  return best;
}

// The nodes as the book has them by now.
void follow_book(MatchMarket& market) {
  core::BlockBook& book = market.book();
  for (core::Node& node : market.nodes()) {
    const core::OfferLoad now = book.load_of(book.place_of(book.slot_of(node.id)));
    for (std::size_t d = 0; d < node.devices.size(); ++d) {
      node.devices[d].free_thousandths = (now.whole_mask >> d & 1U) != 0 ? core::kWholeDevice : 0;
    }
  }
}

}  // namespace

void measure_scores(std::uint64_t offers, double seconds, Report& report) {
  MatchMarket market(offers);
  core::BlockBook& book = market.book();
  std::vector<Wanted> orders(kOrders);
  std::vector<std::optional<core::BlockAsk>> asks(kOrders);
  std::size_t replaced = 0;
  v1::Objective objective = v1::CHEAPEST;
  const auto make = [&](std::size_t count) {
    for (std::size_t i = 0; i < count; ++i, replaced = (replaced + 1) % kOrders) {
      orders[replaced] = market.order();
      orders[replaced].demand.requirements.set_objective(objective);
      asks[replaced].emplace(book.prepare(orders[replaced].demand));
    }
  };
  make(kOrders);
  Load load(market);
  Inner inner(market);
  std::size_t next = 0;
  const auto step = [&] {
    const core::BlockAsk& ask = *asks[next = (next + 1) % kOrders];
    return load.step([&] { return inner.match(ask); }, [&](const Lease& l) { inner.take(l); },
                     [&](const Lease& l) { inner.give(l); }, [](const Lease&, int) {});
  };
  const auto settle = [&] {
    make(kOrders);
    for (std::uint64_t tried = 0; tried < 3 * offers; ++tried) {
      if (tried % kOrders == 0) make(kReplaced);
      step();
    }
  };
  const auto measure = [&](const char* name) {
    const Rate rate = rate_of(
        seconds, [&] { make(kReplaced); }, step);
    report.add(fmt::format("{} offers, match + allocate + release by {}", offers, name),
               rate.per_second, "/s",
               fmt::format("{:.2f} us; {:.1f} % matched; the book alone, orders prepared",
                           1e6 / rate.per_second, rate.matched * 100));
  };
  Whole whole(market);
  const auto measure_whole = [&](const char* name) {
    follow_book(market);
    const Rate rate = rate_of(
        seconds, [&] { make(kReplaced); },
        [&] {
          const core::Demand& demand = orders[next = (next + 1) % kOrders].demand;
          return load.step([&] { return whole.match(demand); },
                           [&](const Lease& l) { whole.take(l); },
                           [&](const Lease& l) { whole.give(l); }, [](const Lease&, int) {});
        });
    report.add(fmt::format("{} offers, the same by {} as the market does it", offers, name),
               rate.per_second, "/s",
               fmt::format("{:.2f} us; orders prepared each time, nodes changed and read",
                           1e6 / rate.per_second));
  };
  const auto check = [&] {
    follow_book(market);
    for (std::size_t i = 0; i < 64; ++i) {
      const auto hit = book.find(*asks[i]);
      const core::Rank expected = best_of_all(market, orders[i].demand);
      FALLOW_CHECK(hit.has_value() == (expected.node.value > 0), "order {} matches or not", i);
      if (!hit) continue;
      const core::LaneOffer& offer = hit->place.block().offers[hit->place.lane()];
      const core::Rank rank =
          asks[i]->matcher().rank(offer.id, offer.reliability(), hit->candidate);
      FALLOW_CHECK(rank == expected, "the book and the scan disagree on order {}", i);
    }
  };
  settle();
  measure("price alone");
  check();
  measure_whole("price alone");
  market.weigh();
  settle();
  measure("the full score");
  check();
  measure_whole("the full score");
  objective = v1::COST_TO_COMPLETE;
  settle();
  measure("the full score, cost to complete");
  check();
  objective = v1::CHEAPEST;
  market.level();
  settle();
  measure("the full score, one price a model");
  check();
}

}  // namespace fallow::bench
