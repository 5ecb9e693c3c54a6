// The orders that wait for a place, but for spot ones, by their turns. How many stand before a turn
// is known at once, and those that ask for the same are known as a group: whether a node would do
// is the same for all of them, so that it is asked once; and of groups that name models only those
// are asked that name one of the node's.
//
// Everything here is derived: a snapshot leaves it out, and who is in which group changes no
// answer, only how soon it is found.
//
// Owner: MarketState, market thread only. Orders keep which group they are in.
#pragma once

#include <absl/container/btree_map.h>
#include <absl/container/btree_set.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/turn.h"

namespace fallow::core {

struct Order;

// Orders whose demands differ in nothing but their quotes.
struct WaitingGroup {
  std::string key;
  std::vector<std::string> models;  // that its query names; one empty word: it names none
  absl::btree_set<Turn> plain;      // today's prices hold for them
  absl::btree_set<Turn> quoted;     // their quote stands, and prices as they were then may hold
  Time quoted_from;                 // no quote of those is older
  std::uint64_t missed = 0;         // the filling of a node that can take none of `plain`
  std::uint64_t unmatched = 0;      // the search in which the book had nothing for `plain`
};

class WaitingOrders {
 public:
  static constexpr std::size_t kGatheredPerCommandMax = 2'048;

  WaitingOrders();
  ~WaitingOrders();
  WaitingOrders(const WaitingOrders&) = delete;
  WaitingOrders& operator=(const WaitingOrders&) = delete;

  void insert(const Turn& turn);
  // `order` is that of the turn.
  void erase(const Turn& turn, Order& order);

  std::size_t size() const;
  bool empty() const { return size() == 0; }
  bool contains(const Turn& turn) const;
  // How many stand before it, whether it is there or not.
  std::size_t rank(const Turn& turn) const;
  // The one that so many stand before; fewer than size().
  Turn at(std::size_t rank) const;
  // In their order, from the first at or behind `from` on, until `visit` says false.
  void visit(const Turn& from, const std::function<bool(const Turn&)>& visit) const;
  absl::btree_set<Turn> all() const;

  // A command begins.
  void begin_command();
  // Puts everybody into a group, by what holds at `now`. `order_of` gives the order of an id. Says
  // whether it came to the end: of kGatheredPerCommandMax orders the rest is for the next command.
  bool gather(Time now, const std::function<Order&(OrderId)>& order_of);
  // As gather() left them.
  absl::btree_map<std::string, std::unique_ptr<WaitingGroup>>& groups() { return groups_; }
  // Of them those that name the model, by their keys; for the empty word those that name none.
  using Groups = absl::btree_map<std::string, WaitingGroup*>;
  const Groups& groups_naming(const std::string& model) const;
  // A number for the next filling of a node.
  std::uint64_t next_filling() { return ++filling_; }
  // What the book had not before it may have now.
  void begin_search() { ++search_; }
  std::uint64_t search() const { return search_; }

 private:
  struct Ranks;

  void join(const Turn& turn, Order& order, Time now);

  std::unique_ptr<Ranks> ranks_;
  absl::btree_set<Turn> newcomers_;  // in no group yet
  absl::btree_map<std::string, std::unique_ptr<WaitingGroup>> groups_;
  absl::btree_map<std::string, Groups> by_model_;    // none of them is empty
  absl::btree_set<std::pair<Time, Turn>> standing_;  // of those in `quoted`: when their quote ends
  std::uint64_t filling_ = 0;
  std::uint64_t search_ = 1;
  std::size_t gathers_left_ = 0;  // in this command
};

}  // namespace fallow::core
