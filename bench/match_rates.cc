#include <fmt/core.h>
#include <time.h>

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
constexpr std::size_t kRun = 2'000;  // operations between two looks at the clock

// What is leased of a node: whole devices, of at most eight.
struct Lease {
  std::uint32_t node =
      0;  // its place among the nodes, and in the book: it was entered in that order
  std::uint8_t devices = 0;  // a bit each
};

class Load {
 public:
  explicit Load(const MatchMarket& market) : target_(market.devices() * kLoadPercent / 100) {}

  // A match, its lease, and releases until the load is what it was. Says whether it matched.
  template <class Match, class Take, class Give>
  bool step(Match&& match, Take&& take, Give&& give) {
    std::optional<Lease> lease = match();
    if (lease) {
      take(*lease);
      leased_ += static_cast<std::uint64_t>(std::popcount(lease->devices));
      leases_.push_back(*lease);
    }
    while (leased_ > target_) {
      const std::size_t at = std::min(next_, leases_.size() - 1);
      const Lease over = std::exchange(leases_[at], leases_.back());
      leases_.pop_back();
      give(over);
      leased_ -= static_cast<std::uint64_t>(std::popcount(over.devices));
      draw();
    }
    return lease.has_value();
  }

 private:
  // The next one to be released. The table of leases is the benchmark's own: what it costs to look
  // up is kept out of the figure by asking the memory for the next one early.
  void draw() {
    draw_ ^= draw_ << 13U;
    draw_ ^= draw_ >> 7U;
    draw_ ^= draw_ << 17U;
    next_ = static_cast<std::size_t>((draw_ >> 32U) * leases_.size() >> 32U);
    __builtin_prefetch(leases_.data() + next_);
  }

  std::uint64_t target_;
  std::uint64_t leased_ = 0;
  std::uint64_t draw_ = 88'172'645'463'325'252U;
  std::size_t next_ = 0;
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
    return Lease{hit->slot, lowest(hit->offer->load.whole_mask, ask.matcher().gpus())};
  }
  void take(const Lease& lease) {
    change(lease, [&](std::uint64_t free) { return free & ~std::uint64_t{lease.devices}; });
  }
  void give(const Lease& lease) {
    change(lease, [&](std::uint64_t free) { return free | lease.devices; });
  }

 private:
  template <class Change>
  void change(const Lease& lease, Change&& to) {
    core::OfferLoad load = market_.book().offer(lease.node).load;
    load.whole_mask = to(load.whole_mask);
    load.whole = static_cast<std::uint16_t>(std::popcount(load.whole_mask));
    load.room = load.whole > 0 ? core::kWholeDevice : 0;
    market_.book().set_load(lease.node, load);
  }
  MatchMarket& market_;
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
    return lease;
  }
  void take(const Lease& lease) { change(lease, 0); }
  void give(const Lease& lease) {
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

// Steps in runs, each run with fresh orders that are made beside the clock, for at least `seconds`
// of this thread's time: their rate a second, and how many matched.
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
    const double began = cpu_us();
    for (std::size_t i = 0; i < kRun; ++i) matched += step(i) ? 1 : 0;
    spent += cpu_us() - began;
    steps += kRun;
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

  std::deque<Wanted> orders;
  std::deque<core::BlockAsk> asks;
  const auto fresh = [&] {
    orders.clear();
    asks.clear();
    for (std::size_t i = 0; i < kRun; ++i) orders.push_back(market.order());
    for (const Wanted& wanted : orders) asks.push_back(book.prepare(wanted.demand));
  };

  Load load(market);
  Inner inner(market);
  const auto inner_step = [&](std::size_t i) {
    return load.step([&] { return inner.match(asks[i]); }, [&](const Lease& l) { inner.take(l); },
                     [&](const Lease& l) { inner.give(l); });
  };
  for (std::uint64_t tried = 0; tried < 3 * offers; tried += kRun) {  // until it is well mixed
    fresh();
    for (std::size_t i = 0; i < kRun; ++i) inner_step(i);
  }

  const double miss = miss_ns(book.bytes(), market.random());
  const double floor_ns = 4 * miss;
  const Rate own = rate_of(seconds, fresh, inner_step);
  report.add(label + ", match + allocate + release", own.per_second, "/s",
             fmt::format("{:.0f} ns; floor of 4 dependent misses {:.0f} ns; {:.1f} % matched; "
                         "the book alone, orders prepared",
                         1e9 / own.per_second, floor_ns, own.matched * 100));

  // The book's loads have gone their own way: the nodes and the columns follow them.
  for (std::size_t i = 0; i < market.nodes().size(); ++i) {
    core::Node& node = market.nodes()[i];
    const core::OfferLoad& now = book.offer(book.slot_of(node.id)).load;
    for (std::size_t d = 0; d < node.devices.size(); ++d) {
      node.devices[d].free_thousandths = (now.whole_mask >> d & 1U) != 0 ? core::kWholeDevice : 0;
    }
    market.set_column(i, now.whole);
  }
  fresh();
  std::size_t asked = 0;
  const double match_us =
      microseconds_of(seconds, [&] { (void)book.find(asks[asked = (asked + 1) % kRun]); });
  asked = 0;
  const double scan_us = microseconds_of(
      seconds, [&] { (void)scan(market.columns(), orders[asked = (asked + 1) % kRun]); });
  for (std::size_t i = 0; i < 64; ++i) {
    const auto hit = book.find(asks[i]);
    const std::uint32_t price = scan(market.columns(), orders[i]);
    FALLOW_CHECK(hit ? hit->candidate.device_hour.value == price : price + 1 == 0,
                 "the book and the scan disagree on order {}", i);
  }
  report.add(
      label + ", match alone", match_us, "us",
      fmt::format("plain scan of columns {:.0f} us, {:.0f} times", scan_us, scan_us / match_us));
  report.add(label + ", preparing an order",
             microseconds_of(
                 seconds, [&] { (void)book.prepare(orders[asked = (asked + 1) % kRun].demand); }),
             "us");

  Whole whole(market);
  const Rate all = rate_of(seconds, fresh, [&](std::size_t i) {
    const core::Demand& demand = orders[i].demand;
    return load.step([&] { return whole.match(demand); }, [&](const Lease& l) { whole.take(l); },
                     [&](const Lease& l) { whole.give(l); });
  });
  report.add(label + ", the same as the market does it", all.per_second, "/s",
             fmt::format("{:.0f} ns; orders prepared each time, nodes changed and read, "
                         "reliability moved; {:.1f} % matched",
                         1e9 / all.per_second, all.matched * 100));
}

}  // namespace fallow::bench
