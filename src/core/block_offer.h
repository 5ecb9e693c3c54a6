// What the book remembers of a node: everything that a query or an order can ask of one whose
// devices are all of one class, so that the node itself is not touched until it is chosen.
//
// Owner: the book, market thread only. An offer keeps its slot and its address for as long as the
// book knows the node.
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
#include "core/query.h"

namespace fallow::core {

struct Block;
class OfferClass;

using Slot = std::uint32_t;

// Where an offer stands in one tree.
struct BlockPlace {
  Block* block = nullptr;
  std::uint8_t lane = 0;
};

// The order of offers in a tree: that of match() among the offers of one class, whatever disk
// costs.
struct OfferKey {
  Micros device_hour;
  std::uint32_t unreliability = 0;
  NodeId node;
  auto operator<=>(const OfferKey&) const = default;
};

// What every lease's beginning or end changes.
struct OfferLoad {
  std::uint64_t whole_mask = 0;   // of the first 64 devices: those that are free as a whole
  std::uint32_t reliability = 0;  // ppm
  std::uint32_t cpu_thousandths_free = 0;
  std::uint32_t memory_mb_free = 0;
  std::uint32_t disk_mb_free = 0;
  std::uint16_t room = 0;   // the largest free share of a device; 0: nothing can be leased now
  std::uint16_t whole = 0;  // devices that are free as a whole; 0 likewise
};
OfferLoad load_of(const Node& node);

struct alignas(128) BlockOffer {
  const Node* node = nullptr;  // null: the slot is free
  NodeId id;
  Micros device_hour;
  Micros disk_gb_hour;
  OfferLoad load;
  BlockPlace place;       // in the tree of its first class
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
  bool offered = false;
  // One class of devices, at most 64 of them, each at the position of its index: what stands here
  // is all there is to know.
  bool plain = false;
  bool former = false;     // was raised while quotes at its former prices may stand
  bool spot = false;       // takes spot leases
  bool discounts = false;  // gives some for a term, now or formerly

  // What few have: several classes, former prices, discounts or spot.
  struct More {
    std::vector<OfferClass*> of_device;  // by position; empty when all are of one class
    // In the trees of its further classes, then by former price, then by spot floor.
    std::vector<BlockPlace> places;
    Micros least_hour;  // the least of its prices now and formerly
    Micros spot_floor;
    Discounts discounts{};  // the largest of those now and formerly
  };
  std::unique_ptr<More> more;

  bool several() const { return more != nullptr && !more->of_device.empty(); }
  OfferKey key() const { return {device_hour, kUnreliable - load.reliability, id}; }
  static constexpr std::uint32_t kUnreliable = 1'000'000;
};

static_assert(sizeof(BlockOffer) == 128, "two lines of the cache, which come together");

// A number of the node itself, as number_of(node) gives it; not of isolation's name, devices or
// words.
std::int64_t number_of(const BlockOffer& offer, Field field);

// Stable slots for offers. The last one freed is the next one taken.
class OfferStore {
 public:
  BlockOffer& operator[](Slot slot) { return chunks_[slot / kChunk][slot % kChunk]; }
  const BlockOffer& operator[](Slot slot) const { return chunks_[slot / kChunk][slot % kChunk]; }

  Slot take();
  void free(Slot slot);
  // Slots ever taken: all below are valid, free ones have no node.
  Slot size() const { return size_; }

 private:
  static constexpr std::size_t kChunk = kHugePageBytes / sizeof(BlockOffer);
  std::vector<HugeArray<BlockOffer>> chunks_;
  std::vector<Slot> free_;  // at most size_
  Slot size_ = 0;
};

}  // namespace fallow::core
