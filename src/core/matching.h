// Where an order's next task or gang has a place: the book's answer around what is kept for others
// and what is still being tested, on the tier that serves it best.
//
// For core/schedule.cc, whose command's budget of work it spends. Free functions; market thread
// only.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/market_state.h"
#include "core/placement.h"

namespace fallow::core {

// A gang is looked for among many offers, and a reservation made of many: each as costly as so many
// matches.
constexpr std::size_t kGangMatches = 16;

// What one command may do.
struct Work {
  std::size_t placements;
  std::size_t matches;
  std::size_t tests;
  std::size_t matches_given = matches;
  std::size_t placed = 0;
  bool around_fresh = false;  // nodes that are still to be tested are out of the question
  bool held_back = false;     // by that the order at hand found nothing
  // A part of it, at least half. What it does not do is left to the whole.
  Work part() const { return {(placements + 1) / 2, (matches + 1) / 2, tests}; }
  void spend(const Work& given, const Work& left_over) {
    placements -= given.placements - left_over.placements;
    matches -= given.matches - left_over.matches;
  }
  bool left() const { return placements > 0 && matches > 0; }
  void match(std::size_t count) { matches -= std::min(matches, count); }
  // A gang is placed as a whole: where it is more than is left, it comes first in the next command.
  bool has_room(std::uint32_t tasks) const { return tasks <= placements || placed == 0; }
  void place(std::uint32_t tasks) {
    placements -= std::min<std::size_t>(placements, tasks);
    placed += tasks;
  }
};

// For one task of the order, or for the gang that begins with it; empty: nothing, or
// work.held_back. Of orders that ask for the very same that is known at once.
std::vector<Placement> match_as_one(MarketState& state, Order& order, std::uint32_t task,
                                    Work& work);
// Do leases leave the node for another order? What they free one by one is not for spot.
bool makes_room(const MarketState& state, const Node& node, OrderId order);
// Of an order with a deadline: a place on the tier that serves it best, if it is to have one now.
// `outbids`: it asked for spot in earnest and found nothing.
std::vector<Placement> match_by_deadline(MarketState& state, Order& order, std::uint32_t task,
                                         Work& work, bool& outbids);

}  // namespace fallow::core
