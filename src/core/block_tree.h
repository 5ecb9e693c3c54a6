// The offers of one class in the order of their keys: blocks of up to 64, under zones of up to 64.
//
// Within a block offers keep their lanes and a row of ranks holds their order, so that a lease
// changes a byte, and a price that stays within the block's range a few. Blocks split when full and
// merge when sparse; nothing is ever built anew as a whole. Zones stand in order.
//
// Owner: an OfferClass, market thread only. Tells each offer where it stands.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/huge_pages.h"
#include "core/block_columns.h"
#include "core/block_offer.h"
#include "core/zone.h"

namespace fallow::core {

// What all trees of a book are made of.
struct BlockMemory {
  OfferStore offers;
  HugePool<Block> blocks;
  HugePool<Zone> zones;
};

class BlockTree {
 public:
  enum class Order : std::uint8_t {
    kPrice,        // by what is asked now
    kFormerPrice,  // by the least of that and what was asked lately
    kSpotFloor,    // by the least that spot pays
  };
  BlockTree(BlockMemory& memory, OfferClass& owner, Order order);
  ~BlockTree();
  BlockTree(const BlockTree&) = delete;
  BlockTree& operator=(const BlockTree&) = delete;

  // The offer is not in the tree. Amortised O(64 * height). `elsewhere`: it stands in other trees,
  // too.
  BlockPlace insert(Slot slot, const OfferFacts& facts, const OfferMore* more);
  // Frees the place.
  void erase(BlockPlace place);

  // The offer's facts in the columns of `changed` are these now. Its key is unchanged.
  static void set(BlockPlace place, const OfferFacts& facts, ColumnMask changed);
  // The same where only its load has changed, in these columns beside what is free of devices.
  static void set_load(BlockPlace place, const OfferLoad& load, ColumnMask changed);
  // The same where nothing changed but which of its devices are free.
  static void set_free(BlockPlace place, const OfferLoad& load);
  // The same of a plain offer whose devices are free as a whole, as these are, or not at all, and
  // were so before.
  static void set_whole(BlockPlace place, std::uint64_t whole_mask);
  // The offer's key, price of disk, longest duration or whether it is plain have changed: true when
  // it may stay where it is, and these are made good.
  bool settle(BlockPlace place, const OfferFacts& facts, const OfferMore* more);
  // The same of the key alone.
  static bool settle(BlockPlace place, const OfferKey& key);

  // What stands on the lane; the price is that of its key.
  static OfferFacts facts_at(const Block& block, std::size_t lane, const OfferStore& offers);
  static OfferLoad load_at(const Block& block, std::size_t lane, const OfferStore& offers);

  OfferClass& owner() const { return owner_; }
  const Zone& root() const { return *root_; }
  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }
  std::size_t bytes() const { return bytes_; }  // of blocks and zones
  // Ascends with every change of what stands in the tree.
  std::uint64_t changes() const { return changes_; }

  // A bug when a bound is not what the offers give, a key is out of order or a place is wrong.
  // Looks at every offer.
  void check() const;

 private:
  OfferKey key_of(const OfferFacts& facts, const OfferMore* more) const;
  static void take_out(Block& block, std::size_t lane);
  static void set_codes(Block& block, std::size_t lane, const Codes& codes, ColumnMask changed);
  static void set_free(Block& block, std::size_t lane, Code whole_now, std::uint16_t room);
  static void write(Block& block, std::size_t lane, const OfferFacts& facts, const OfferKey& key);
  // How many offers of the block come before the key.
  static std::uint8_t rank_of(const Block& block, const OfferKey& key);
  void tell_place(Slot slot, BlockPlace place);

  Block& block_for(const OfferKey& key);
  Block& split(Block& block);
  void split(Zone& zone);
  void move(Block& from, LaneMask lanes, Block& to);
  static void refresh(Block& block);
  static void refresh(Zone& zone);
  static void attach(Zone& zone, std::size_t at, Branch& child, const OfferKey& key);
  static void detach(Branch& child);
  void shrink(Block& block);
  void shrink(Zone& zone);
  std::size_t check(const Zone& zone, const OfferKey* low, const OfferKey* high) const;
  std::size_t check(const Block& block, const OfferKey& low, const OfferKey* high) const;

  Block& new_block();
  Zone& new_zone(std::uint8_t level);
  void destroy(Zone& zone);
  void destroy(Block& block);
  void drop(Zone& zone);

  BlockMemory& memory_;
  OfferStore& offers_;
  OfferClass& owner_;
  Order order_;
  Zone* root_;
  std::size_t size_ = 0;
  std::size_t bytes_ = 0;
  std::uint64_t changes_ = 0;
};

}  // namespace fallow::core
