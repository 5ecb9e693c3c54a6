// What was looked for in vain: whoever asks for no less finds nothing either, and is not searched
// for. So a crowd whose orders differ in their times and prices, of which no two are alike, costs
// a few searches and not one each.
//
// Demands are of one kind when they differ in nothing but their longest time, what they pay at
// most, and their quotes. Of two of a kind the one asks for no less that runs no shorter and pays
// no more: whatever would do for it would do for the other one as well. (What an offer's discount
// takes off depends on the bracket of a term, so that is of the kind.)
//
// A miss holds for as long as nothing can have become better for anybody: for one search of
// WaitingOrders. Everything here is derived: what is kept changes no answer, only how soon it is
// found.
//
// Owner: MarketState, market thread only.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/types.h"
#include "core/book.h"

namespace fallow::core {

struct Miss {
  Duration time;         // the longest
  Micros task_hour_max;  // what the requirements say that a task may cost; the largest Micros: any
  Micros rate_hour_max;  // likewise what the order says; a bid is of the former alone
  NodeId node;           // what the caller found out when it was missed; 0: nothing
};

class Misses {
 public:
  // Of each kind so many are kept; 0: none at all.
  explicit Misses(std::size_t kept_max) : kept_max_(kept_max) {}

  // A demand that asked for no more than this one and was missed in this search. Null: none is
  // known. Valid until the next call of anything.
  const Miss* find(std::uint64_t search, const Demand& demand);
  // It was looked for in vain, not by its quote and not as a gang.
  void add(std::uint64_t search, const Demand& demand, NodeId node = {});

 private:
  // As of this search.
  void begin(std::uint64_t search);

  const std::size_t kept_max_;
  std::uint64_t search_ = 0;
  // Points only, never iterated.
  boost::unordered_flat_map<std::string, std::vector<Miss>> kinds_;
};

}  // namespace fallow::core
