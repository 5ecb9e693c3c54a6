// Which offers stand in one LAN, or in one rack of it: nodes of one provider and region whose facts
// name the same one.
//
// Owner: the book, market thread only. Offers without one cost nothing until the first that has
// one.
#pragma once

#include <absl/container/btree_map.h>

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/block_offer.h"

namespace fallow::core {

class LanTable {
 public:
  static constexpr std::uint32_t kNone = 0;
  enum class Level : std::uint8_t { kLan, kRack };

  explicit LanTable(Level level) : level_(level) {}

  // The node's offer stands in the slot; null: none does.
  void put(Slot slot, const Node* node);
  // Equal for offers in the same one; kNone for one that is in none.
  std::uint32_t of(Slot slot) const { return slot < of_slot_.size() ? of_slot_[slot] : kNone; }
  // As its nodes name it, canonical; empty for none.
  const std::string& name(Slot slot) const;
  // Offers in the largest.
  std::size_t largest() const { return sizes_.empty() ? 0 : sizes_.rbegin()->first; }

 private:
  struct Lan {
    std::string key;
    std::string name;
    std::size_t offers = 0;
  };
  void resize(Lan& lan, std::size_t offers);

  Level level_;
  std::vector<Lan> lans_{1};                         // by number; the first is kNone
  std::vector<std::uint32_t> free_;                  // the last one freed is taken first
  std::vector<std::uint32_t> of_slot_;               // up to the last slot that ever had one
  absl::btree_map<std::size_t, std::size_t> sizes_;  // LANs by their offers
  // Points only, never iterated.
  boost::unordered_flat_map<std::string, std::uint32_t> numbers_;
};

}  // namespace fallow::core
