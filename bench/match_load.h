// A market under a steady load: 60 % of its devices are leased, each match takes a lease and ends
// as many as it takes. What the parts of match_bench that measure rates share.
//
// One benchmark, one thread.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "match_market.h"
#include "match_parts.h"

namespace fallow::bench {

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

inline std::uint8_t lowest(std::uint64_t mask, std::uint32_t count) {
  std::uint64_t taken = 0;
  for (; count > 0; --count, mask &= mask - 1) taken |= mask & (~mask + 1);
  return static_cast<std::uint8_t>(taken);
}

// The book's own part: the prepared order is found, and the free devices of the offer change.
class Inner {
 public:
  explicit Inner(MatchMarket& market) : market_(market) {}

  std::optional<Lease> match(const core::BlockAsk& ask) {
    core::BlockSearch search;
    return match(ask, search);
  }
  // The same, from where the search has come to.
  std::optional<Lease> match(const core::BlockAsk& ask, core::BlockSearch& search) {
    const auto hit = market_.book().find(ask, search);
    if (!hit) return std::nullopt;
    place_ = hit->place;
    const std::uint32_t gpus = ask.matcher().gpus();
    return Lease{core::BlockBook::slot_of(*hit),
                 lowest(place_.block().offers[place_.lane()].whole_mask, gpus),
                 static_cast<std::uint8_t>(gpus)};
  }
  // The one that was matched last.
  void take(const Lease& lease) { market_.book().take(place_, lease.devices); }
  void give(const Lease& lease) {
    if (lease.devices == 0) return;
    market_.book().give(market_.book().place_of(lease.node), lease.devices);
  }
  void expect(const Lease& lease, int times) {
    if (times == 0) {
      market_.book().prefetch_place(lease.node);
    } else {
      market_.book().prefetch_load(lease.node);
    }
  }

 private:
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

}  // namespace fallow::bench
