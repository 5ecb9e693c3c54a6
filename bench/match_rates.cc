#include <fmt/core.h>
#include <time.h>

#include <array>
#include <bit>
#include <memory>
#include <string>
#include <utility>

#include "base/check.h"
#include "match_market.h"
#include "match_parts.h"

namespace fallow::bench {

double cpu_us() {
  timespec now{};
  FALLOW_CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) == 0, "no clock of the thread's time");
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

namespace {

constexpr std::uint64_t kLoadPercent = 60;
// Orders are asked one after the other, round and round; after each round some are replaced.
constexpr std::size_t kOrders = 16'384;
constexpr std::size_t kReplaced = 2'048;
constexpr std::size_t kWarming = 2'048;  // steps beside the clock, after what is made beside it

// What is leased of a node: whole devices, of at most eight.
struct Lease {
  std::uint32_t node =
      0;  // its place among the nodes, and in the book: it was entered in that order
  std::uint8_t devices = 0;  // a bit each
  std::uint8_t count = 0;    // of these
};

class Load {
 public:
  explicit Load(const MatchMarket& market) : target_(market.devices() * kLoadPercent / 100) {}

  // A match, its lease, and releases until the load is what it was. Says whether it matched.
  // `expect` hears of a release twice before `give`: when it becomes known, and when the one before
  // it is next.
  template <class Match, class Take, class Give, class Expect>
  bool step(Match&& match, Take&& take, Give&& give, Expect&& expect) {
    std::optional<Lease> lease = match();
    if (lease) {
      take(*lease);
      leased_ += lease->count;
      leases_.push_back(*lease);
    }
    while (leased_ > target_) {
      const Lease over = ending_[ended_ % kKnown];
      give(over);
      leased_ -= over.count;
      ending_[ended_ % kKnown] = draw();
      expect(ending_[ended_ % kKnown], 0);
      ++ended_;
      expect(ending_[(ended_ + 1) % kKnown], 1);
    }
    return lease.has_value();
  }

 private:
  // A lease that ends soon: its devices are leased until it does. The table of leases is the
  // benchmark's own: what it costs to look up is kept out of the figure by asking the memory for
  // the next one early.
  Lease draw() {
    if (leases_.empty()) return {};
    const std::size_t at = std::min(next_, leases_.size() - 1);
    const Lease drawn = std::exchange(leases_[at], leases_.back());
    leases_.pop_back();
    draw_ ^= draw_ << 13U;
    draw_ ^= draw_ >> 7U;
    draw_ ^= draw_ << 17U;
    next_ = static_cast<std::size_t>((draw_ >> 32U) * leases_.size() >> 32U);
    __builtin_prefetch(leases_.data() + next_);
    return drawn;
  }

  static constexpr std::size_t kKnown = 4;  // releases that are known in advance
  std::uint64_t target_;
  std::uint64_t leased_ = 0;
  std::uint64_t draw_ = 88'172'645'463'325'252U;
  std::size_t next_ = 0;
  std::array<Lease, kKnown> ending_;  // round and round; without devices at first
  std::size_t ended_ = 0;
  std::vector<Lease> leases_;  // as many as devices at most
};

std::uint8_t lowest(std::uint64_t mask, std::uint32_t count) {
  std::uint64_t taken = 0;
  for (; count > 0; --count, mask &= mask - 1) taken |= mask & (~mask + 1);
  return static_cast<std::uint8_t>(taken);
}

// The book's own part: the prepared order is found, and the free devices of the offer change.
class Inner {
 public:
  explicit Inner(MatchMarket& market) : market_(market) {}

  std::optional<Lease> match(const core::BlockAsk& ask) {
    const auto hit = market_.book().find(ask);
    if (!hit) return std::nullopt;
    place_ = hit->place;
    const std::uint32_t gpus = ask.matcher().gpus();
    return Lease{core::BlockBook::slot_of(*hit),
                 lowest(place_.block().offers[place_.lane()].whole_mask, gpus),
                 static_cast<std::uint8_t>(gpus)};
  }
  // The one that was matched last.
  void take(const Lease& lease) {
    core::OfferLoad load = market_.book().load_of(place_);
    load.whole_mask &= ~std::uint64_t{lease.devices};
    load.whole = static_cast<std::uint16_t>(load.whole - lease.count);
    change(place_, load);
  }
  void give(const Lease& lease) {
    if (lease.devices == 0) return;
    const core::BlockPlace place = market_.book().place_of(lease.node);
    core::OfferLoad load = market_.book().load_of(place);
    load.whole_mask |= lease.devices;
    load.whole = static_cast<std::uint16_t>(load.whole + lease.count);
    change(place, load);
  }
  void expect(const Lease& lease, int times) {
    if (times == 0) {
      market_.book().prefetch_place(lease.node);
    } else {
      market_.book().prefetch_load(lease.node);
    }
  }

 private:
  void change(core::BlockPlace place, core::OfferLoad& load) {
    load.room = load.whole > 0 ? core::kWholeDevice : 0;
    market_.book().set_load(place, load);
  }
  MatchMarket& market_;
  core::BlockPlace place_;
};

// What the market does: the demand is matched, the node's devices change, the book is told.
class Whole {
 public:
  explicit Whole(MatchMarket& market) : market_(market) {}

  std::optional<Lease> match(const core::Demand& demand) {
    const std::optional<core::Placement> placement = market_.book().match(demand);
    if (!placement) return std::nullopt;
    Lease lease;
    lease.node = static_cast<std::uint32_t>(placement->node->id.value / 4'096 - 1);
    for (const std::uint32_t index : placement->devices)
      lease.devices |= static_cast<std::uint8_t>(1U << index);
    lease.count = static_cast<std::uint8_t>(placement->devices.size());
    return lease;
  }
  void take(const Lease& lease) { change(lease, 0); }
  void give(const Lease& lease) {
    if (lease.devices == 0) return;
    ++market_.nodes()[lease.node].leases_kept;
    change(lease, core::kWholeDevice);
  }

 private:
  void change(const Lease& lease, std::uint32_t free) {
    core::Node& node = market_.nodes()[lease.node];
    for (std::uint32_t left = lease.devices; left != 0; left &= left - 1) {
      node.devices[static_cast<std::size_t>(std::countr_zero(left))].free_thousandths = free;
    }
    market_.book().update_load(node);
  }
  MatchMarket& market_;
};

// Rounds of steps, before each of which some orders are made anew beside the clock, for at least
// `seconds` of this thread's time: their rate a second, and how many matched.
struct Rate {
  double per_second = 0;
  double matched = 0;
};
template <class Make, class Step>
Rate rate_of(double seconds, Make&& make, Step&& step) {
  std::uint64_t steps = 0;
  std::uint64_t matched = 0;
  double spent = 0;
  while (spent < seconds * 1e6) {
    make();
    for (std::size_t i = 0; i < kWarming; ++i) step();
    const double began = cpu_us();
    for (std::size_t i = 0; i < kOrders; ++i) matched += step() ? 1 : 0;
    spent += cpu_us() - began;
    steps += kOrders;
  }
  const auto all = static_cast<double>(steps);
  return {all / spent * 1e6, static_cast<double>(matched) / all};
}

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
  const auto fresh = [&] { make(kReplaced); };
  make(kOrders);

  Load load(market);
  Inner inner(market);
  std::size_t next = 0;
  const auto inner_step = [&](bool foreseen) {
    const core::BlockAsk& ask = *asks[next = (next + 1) % kOrders];
    if (foreseen) {
      asks[(next + 3) % kOrders]->prefetch();
      book.prefetch(*asks[(next + 2) % kOrders]);
      book.prefetch_first(*asks[(next + 1) % kOrders]);
    }
    return load.step([&] { return inner.match(ask); }, [&](const Lease& l) { inner.take(l); },
                     [&](const Lease& l) { inner.give(l); },
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
