// A walk over the blocks of one tree that pass a sieve, in the order of keys.
//
// Market thread only; good until the tree changes. Refers to the tree and the sieve.
#pragma once

#include <array>
#include <cstddef>
#include <optional>

#include "core/block_offer.h"
#include "core/sieve.h"
#include "core/zone.h"

namespace fallow::core {

class BlockCursor {
 public:
  // Blocks in which every price is below `from` are left out.
  BlockCursor(const Zone& root, const Sieve& sieve, Micros from);

  // The next block, or null at the end.
  const Block* next();
  // Of the block that next() gave last: no offer in it comes before this.
  const OfferKey& key() const { return steps_[depth_ - 1].key(); }
  // Nor does disk cost less with any.
  Micros disk_gb_hour() const {
    return steps_[depth_ - 1].zone->disk_gb_hours[steps_[depth_ - 1].at];
  }
  // The zone's bound of it (see zone.h).
  Code bound(std::size_t which) const {
    return steps_[depth_ - 1].zone->best[which].at[steps_[depth_ - 1].at];
  }
  // Do all of its offers surely have the same price?
  bool single_price() const;
  // No offer that is still to come comes before this; null when none is to come.
  const OfferKey* rest() const;

 private:
  // Children are no neighbours in memory: so many are asked for before they are looked into.
  static constexpr int kAhead = 2;
  static constexpr std::size_t kHeightMax = 8;  // of zones with 16 children or more: 16^8 blocks
  struct Step {
    const Zone* zone;
    LaneMask left;
    LaneMask ahead;  // of those left: not asked of the memory yet
    std::size_t at;  // the child that was entered last
    const OfferKey& key() const { return zone->keys[at]; }
  };
  void enter(const Zone& zone);
  void fetch_ahead(Step& step) const;

  const Sieve& sieve_;
  Micros from_;
  std::size_t depth_ = 0;
  std::array<Step, kHeightMax> steps_;
};

}  // namespace fallow::core
