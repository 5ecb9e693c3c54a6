// Whom of the waiting orders a node could serve.
//
// Orders are asked by groups where that is cheaper than one by one (core/waiting_orders.h); the
// answer is the same. Market thread only; a Takers lives within one command and refers to the node.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/market_state.h"

namespace fallow::core {

// Could a task of the order start on the node now?
bool could_take(const MarketState& state, const Node& node, Order& order);

// Puts who waits into groups, as of now; says whether everybody is in one.
bool gather_waiting(MarketState& state);

// While one node is filled: what is free of it only becomes less.
class Takers {
 public:
  Takers(MarketState& state, const Node& node);

  // The first of the `window` waiting orders at or behind `from` that could take the node.
  std::optional<Turn> first(const Turn& from, std::size_t window);

 private:
  Order& order(OrderId id) { return *state_.orders.find(id); }
  // Ahead of the window's end and of whom was found already.
  bool is_near(const Turn& turn) const {
    return (!end_ || turn < *end_) && (!found_ || turn < *found_);
  }
  bool take(const Turn& turn);
  // One by one, from there on up to `count` of them. Gives whom to go on with; none: it is found or
  // the window has ended.
  std::optional<Turn> ask_each(const Turn& from, std::size_t count);
  // The groups that name one of the node's models or none.
  std::size_t groups_count() const;
  void ask_groups(const Turn& from);
  // `plain_only`: the quotes of the others may bind the node to a former price.
  void ask_as_one(WaitingGroup& group, const Turn& from, bool plain_only);

  MarketState& state_;
  const Node& node_;
  std::vector<std::string> models_;  // the node's, and the empty word
  const std::uint64_t filling_;
  const Time raised_at_;  // when a price of the node was raised last
  std::optional<Turn> end_;
  std::optional<Turn> found_;
};

}  // namespace fallow::core
