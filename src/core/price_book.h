// The book that make_book() gives out: offers in ascending price, per class of device and over all.
//
// A walk starts at the cheapest and ends as soon as nothing further can rank before what was
// found. Two trees a group: everything offered, and what might be leased now, so that a busy
// market is not searched in vain. What a query asks of single devices is asked once a class, and
// classes stand in descending speed, which bounds the other objectives. Nodes whose price was
// raised lately are few: a quoted demand looks at them first, by their former price, and passes
// them by in the walk.
#pragma once

#include <absl/container/btree_map.h>
#include <absl/container/btree_set.h>

#include <boost/unordered/unordered_flat_map.hpp>
#include <compare>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/types.h"
#include "core/book.h"
#include "core/placement.h"
#include "core/sieve.h"

namespace fallow::core {

class PriceBook final : public Book {
 public:
  void update(const Node& node) override;
  void remove(NodeId node) override;
  std::optional<Placement> match(const Demand& demand) const override;
  std::vector<Placement> list(const Demand& demand, const ListOptions& options) const override;
  bool possible(const Demand& demand) const override;
  std::vector<v1::Relaxation> relaxations(const Demand& demand) const override;
  std::size_t size() const override { return entries_.size(); }

 private:
  struct Entry;
  struct PriceKey {
    Micros device_hour;
    NodeId node;
    auto operator<=>(const PriceKey&) const = default;
  };
  using Tree = absl::btree_map<PriceKey, const Entry*>;

  // Devices that no query can tell apart.
  struct Class {
    std::int64_t slowness = 0;  // speed turned round: the fastest come first
    std::string model;          // canonical
    std::uint32_t memory_mb = 0;
    v1::DeviceKind kind = v1::DEVICE_KIND_UNSPECIFIED;
    auto operator<=>(const Class&) const = default;
  };
  // The nodes with a device of the class; a node with several classes stands in several groups.
  struct Group {
    Class key;
    v1::Device device;  // one of them
    Tree offered;
    Tree open;
  };

  // What the trees hold of a node: its key there must be known when the node has changed. What a
  // walk reads of each comes first, in one line of the cache.
  struct alignas(64) Entry {
    Sieve sieve;
    const Node* node = nullptr;
    const Group* only_group = nullptr;  // when all devices are of one class
    Micros device_hour;
    bool offered = false;
    bool open = false;
    bool former = false;
    std::vector<std::int64_t> speeds;  // of the devices
    std::vector<Group*> groups;        // in their order, each once
    std::vector<v1::Device> devices;   // as they were entered
  };

  // `visit` says whether to go on, `beyond` whether nothing from this bound on counts.
  struct Walk {
    const Matcher& matcher;
    Supply supply;
    std::function<bool(const Entry&, const Hints&)> visit;
    std::function<bool(const Rank&)> beyond;
    Micros device_hour_from;
  };
  void walk(const Walk& walk) const;
  bool walk_tree(const Walk& walk, const Group* group,
                 const std::vector<const Group*>& wanted) const;
  std::vector<const Group*> groups_for(const Matcher& matcher) const;
  // What of the query's conditions on single devices each class fails.
  using ClassFailures = boost::unordered_flat_map<const Group*, Screen::Failures>;
  ClassFailures class_failures(const Query& query) const;

  static bool same_devices(const Entry& entry, const Node& node);
  void set_devices(Entry& entry, const Node& node);
  void enter(Entry& entry);
  void leave(Entry& entry);
  void set_open(Entry& entry, bool open);

  // Points only, never iterated.
  boost::unordered_flat_map<NodeId, std::unique_ptr<Entry>, NamedHash> entries_;
  Tree offered_;
  Tree open_;
  absl::btree_map<Class, std::unique_ptr<Group>> groups_;
  absl::btree_map<std::string, absl::btree_map<Class, const Group*>> groups_by_model_;
  absl::btree_map<NodeId, const Entry*> former_;
};

}  // namespace fallow::core
