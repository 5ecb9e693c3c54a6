#include <fmt/core.h>
#include <time.h>

#include <array>
#include <memory>
#include <string>
#include <utility>

#include "base/check.h"
#include "match_load.h"

namespace fallow::bench {

double cpu_us() {
  timespec now{};
  FALLOW_CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) == 0, "no clock of the thread's time");
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

namespace {

// Searches on their way at once, a divisor of kOrders: four of them are.
constexpr std::size_t kForeseen = 4;
static_assert(kOrders % kForeseen == 0);

// One dependent read of another line of the cache, anywhere in so many bytes.
double miss_ns(std::size_t bytes, Random& random) {
  struct alignas(64) Line {
    std::uint64_t next;
  };
  std::vector<Line> lines(std::max<std::size_t>(bytes / sizeof(Line), 2));
  std::vector<std::uint32_t> order(lines.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::uint32_t>(i);
  for (std::size_t i = order.size() - 1; i > 0; --i)
    std::swap(order[i], order[random.below(i + 1)]);
  for (std::size_t i = 0; i < order.size(); ++i) {
    lines[order[i]].next = order[(i + 1) % order.size()];
  }
  constexpr std::uint64_t kReads = 2'000'000;
  std::uint64_t at = 0;
  for (std::uint64_t i = 0; i < kReads / 4; ++i) at = lines[at].next;
  const double began = cpu_us();
  for (std::uint64_t i = 0; i < kReads; ++i) at = lines[at].next;
  const double ns = (cpu_us() - began) * 1e3 / static_cast<double>(kReads);
  FALLOW_CHECK(at < lines.size(), "the chase left its memory");
  return ns;
}

}  // namespace

void measure_rates(std::uint64_t offers, double seconds, Report& report) {
  const double began = cpu_us();
  MatchMarket market(offers);
  const std::string label = fmt::format("{} offers", offers);
  report.add(label + ", making the market", (cpu_us() - began) / 1e6, "s");
  core::BlockBook& book = market.book();
  report.add(label + ", memory of the book",
             static_cast<double>(book.bytes()) / static_cast<double>(offers), "B/offer",
             fmt::format("{:.0f} MB in all", static_cast<double>(book.bytes()) / 1e6));

  std::vector<Wanted> orders(kOrders);
  std::vector<std::optional<core::BlockAsk>> asks(kOrders);
  std::size_t replaced = 0;
  const auto make = [&](std::size_t count) {
    for (std::size_t i = 0; i < count; ++i, replaced = (replaced + 1) % kOrders) {
      orders[replaced] = market.order();
      asks[replaced].emplace(book.prepare(orders[replaced].demand));
    }
  };
  // On their way, each for the order at its place; of orders made anew nothing is known yet.
  std::array<core::BlockSearch, kForeseen> searches;
  const auto fresh = [&] {
    make(kReplaced);
    for (core::BlockSearch& search : searches) search.end();
  };
  make(kOrders);

  Load load(market);
  Inner inner(market);
  std::size_t next = 0;
  const auto inner_step = [&](bool foreseen) {
    const core::BlockAsk& ask = *asks[next = (next + 1) % kOrders];
    core::BlockSearch& search = searches[next % kForeseen];
    if (foreseen) {
      asks[(next + 5) % kOrders]->prefetch();
      book.prefetch(*asks[(next + 4) % kOrders]);
      book.begin(*asks[(next + 3) % kOrders], searches[(next + 3) % kForeseen]);
      searches[(next + 2) % kForeseen].step();
      searches[(next + 1) % kForeseen].step();
    }
    return load.step([&] { return inner.match(ask, search); },
                     [&](const Lease& l) { inner.take(l); }, [&](const Lease& l) { inner.give(l); },
                     [&](const Lease& l, int times) {
                       if (foreseen) inner.expect(l, times);
                     });
  };
  for (std::uint64_t tried = 0; tried < 3 * offers; ++tried) {  // until it is well mixed
    if (tried % kOrders == 0) fresh();
    inner_step(false);
  }

  const double miss = miss_ns(book.bytes(), market.random());
  const double floor_ns = 4 * miss;
  for (const bool foreseen : {false, true}) {
    const Rate own = rate_of(seconds, fresh, [&] { return inner_step(foreseen); });
    report.add(label + ", match + allocate + release" + (foreseen ? ", releases foreseen" : ""),
               own.per_second, "/s",
               fmt::format("{:.0f} ns; floor of 4 dependent misses {:.0f} ns; {:.1f} % matched; "
                           "the book alone, orders prepared",
                           1e9 / own.per_second, floor_ns, own.matched * 100));
  }

  // The book's loads have gone their own way: the nodes and the columns follow them.
  for (std::size_t i = 0; i < market.nodes().size(); ++i) {
    core::Node& node = market.nodes()[i];
    const core::OfferLoad now = book.load_of(book.place_of(book.slot_of(node.id)));
    for (std::size_t d = 0; d < node.devices.size(); ++d) {
      node.devices[d].free_thousandths = (now.whole_mask >> d & 1U) != 0 ? core::kWholeDevice : 0;
    }
    market.set_column(i, now.whole);
  }
  std::size_t asked = 0;
  const double match_us =
      microseconds_of(seconds, [&] { (void)book.find(*asks[asked = (asked + 1) % kOrders]); });
  asked = 0;
  const double scan_us = microseconds_of(
      seconds, [&] { (void)scan(market.columns(), orders[asked = (asked + 1) % kOrders]); });
  for (std::size_t i = 0; i < 64; ++i) {
    const auto hit = book.find(*asks[i]);
    const std::uint32_t price = scan(market.columns(), orders[i]);
    FALLOW_CHECK(hit ? hit->candidate.device_hour.value == price : price + 1 == 0,
                 "the book and the scan disagree on order {}", i);
  }
  report.add(
      label + ", match alone", match_us, "us",
      fmt::format("plain scan of columns {:.0f} us, {:.0f} times", scan_us, scan_us / match_us));
  report.add(
      label + ", preparing an order",
      microseconds_of(seconds,
                      [&] { (void)book.prepare(orders[asked = (asked + 1) % kOrders].demand); }),
      "us");

  Whole whole(market);
  const Rate all = rate_of(seconds, fresh, [&] {
    const core::Demand& demand = orders[next = (next + 1) % kOrders].demand;
    return load.step([&] { return whole.match(demand); }, [&](const Lease& l) { whole.take(l); },
                     [&](const Lease& l) { whole.give(l); }, [](const Lease&, int) {});
  });
  report.add(label + ", the same as the market does it", all.per_second, "/s",
             fmt::format("{:.0f} ns; orders prepared each time, nodes changed and read, "
                         "reliability moved; {:.1f} % matched",
                         1e9 / all.per_second, all.matched * 100));
}

}  // namespace fallow::bench
