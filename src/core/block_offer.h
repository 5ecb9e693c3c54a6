// What the book remembers of a node. All that a query or an order can ask of one whose devices are
// all of one class stands in the columns of a block (zone.h), so that the node itself is not
// touched until it is chosen; here is what finds the block, and the same facts on their way into
// it.
//
// Owner: the book, market thread only. An offer keeps its slot for as long as the book knows the
// node.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/huge_pages.h"
#include "base/types.h"
#include "core/block_lanes.h"
#include "core/block_words.h"
#include "core/node.h"
#include "core/survival.h"
#include "core/term.h"

namespace fallow::core {

struct Block;
class OfferClass;

using Slot = std::uint32_t;

// Where an offer stands in one tree: in eight bytes, as blocks begin at multiples of 64.
class BlockPlace {
 public:
  BlockPlace() = default;
  // The block is the book's, which may change it, however a search came to it.
  BlockPlace(const Block& block, std::size_t lane)
      : at_(reinterpret_cast<char*>(const_cast<Block*>(&block)) + lane) {}

  // Not of an empty place.
  Block& block() const { return *reinterpret_cast<Block*>(at_ - lane()); }
  std::size_t lane() const { return reinterpret_cast<std::uintptr_t>(at_) % kLanes; }
  explicit operator bool() const { return at_ != nullptr; }
  bool operator==(const BlockPlace&) const = default;

 private:
  char* at_ = nullptr;
};

// The order of offers in a tree: that of match() among the offers of one class, whatever disk
// costs.
struct OfferKey {
  Micros device_hour;
  std::uint32_t unreliability = 0;
  NodeId node;
  auto operator<=>(const OfferKey&) const = default;
};
constexpr std::uint32_t kUnreliable = 1'000'000;  // ppm

// What every lease's beginning or end changes.
struct OfferLoad {
  std::uint64_t whole_mask = 0;   // of the first 64 devices: those that are free as a whole
  std::uint32_t reliability = 0;  // ppm
  std::uint32_t cpu_thousandths_free = 0;
  std::uint32_t memory_mb_free = 0;
  std::uint32_t disk_mb_free = 0;
  std::uint16_t room = 0;   // the largest free share of a device; 0: nothing can be leased now
  std::uint16_t whole = 0;  // devices that are free as a whole; 0 likewise
  bool even = true;         // each device is free as a whole or not at all
  bool operator==(const OfferLoad&) const = default;
};
OfferLoad load_of(const Node& node);

// All that the book packs of a node's offer: a value, as it goes into a block or comes out of one.
struct OfferFacts {
  NodeId id;
  AccountId provider;
  Micros device_hour;
  Micros disk_gb_hour;
  OfferLoad load;
  Duration duration_max;  // 0: none
  std::uint32_t cpu_thousandths = 0;
  std::uint32_t memory_mb = 0;
  std::uint32_t disk_mb = 0;
  std::uint32_t download_mbps = 0;
  std::uint32_t upload_mbps = 0;
  std::uint16_t region = WordNumbers::kOther;  // of the book's dictionary
  std::uint16_t share_min = 0;
  std::uint16_t devices = 0;  // at most 65,535 are counted
  std::uint8_t isolation = 0;
  bool images = false;
  // One class of devices, at most 64 of them, each at the position of its index: what stands here
  // is all there is to know.
  bool plain = false;
  Survival survival;

  OfferKey key() const { return {device_hour, kUnreliable - load.reliability, id}; }
};

// What few offers have: several classes, former prices, discounts or spot.
struct OfferMore {
  std::vector<OfferClass*> of_device;  // by position; empty when all are of one class
  // In the trees of its further classes, then by former price, then by spot floor.
  std::vector<BlockPlace> places;
  bool former = false;  // was raised while quotes at its former prices may stand
  Micros least_hour;    // the least of its prices now and formerly
  bool spot = false;    // takes spot leases
  Micros spot_floor;
  Discounts discounts{};  // the largest of those now and formerly
};

// Stable slots for offers. The last one freed is the next one taken.
class OfferStore {
 public:
  struct Offer {
    const Node* node = nullptr;  // null: the slot is free
    std::unique_ptr<OfferMore> more;

    bool former() const { return more != nullptr && more->former; }
    bool spot() const { return more != nullptr && more->spot; }
    // Of none all are 0.
    Discounts discounts() const { return more != nullptr ? more->discounts : Discounts{}; }
    bool several() const { return more != nullptr && !more->of_device.empty(); }
  };

  Offer& operator[](Slot slot) { return offers_[slot]; }
  const Offer& operator[](Slot slot) const { return offers_[slot]; }
  // In the tree of its first class; empty: it is not offered. By themselves, so that the places of
  // many offers share a line of the cache: a change of an offer begins with its place.
  BlockPlace& place(Slot slot) { return places_[slot]; }
  const BlockPlace& place(Slot slot) const { return places_[slot]; }

  Slot take();
  void free(Slot slot);
  // Slots ever taken: all below are valid, free ones have no node.
  Slot size() const { return static_cast<Slot>(offers_.size()); }
  static constexpr std::size_t kBytesEach = sizeof(Offer) + sizeof(BlockPlace);

 private:
  HugeList<Offer> offers_;
  HugeList<BlockPlace> places_;  // as many
  std::vector<Slot> free_;       // at most as many
};

}  // namespace fallow::core
