// What the block book's answers share: the offers of a block, one after the other.
//
// Market thread only; of block_book*.cc alone.
#pragma once

#include "core/block_book.h"

namespace fallow::core {

// So many offers of a block are tried in the order of keys, which takes a look at all that are left
// for each; where the first few do not fit, the rest is taken as it stands.
constexpr int kTriedInOrder = 4;

// An offer that a walk came to.
struct BlockBook::Met {
  const Block& block;
  std::size_t lane;
  const OfferClass& of;
  bool former;    // it stands there by a former price
  bool surely;    // its node fits, the price apart
  bool in_order;  // none that comes after it in this block stands before it in the order of keys
  Slot slot() const { return block.offers[lane].slot; }
};

template <class Visit>
void BlockBook::each_offer(const BlockAsk& ask, const Block& block, const OfferClass& of,
                           bool former, Visit&& visit) const {
  each_sifted(ask, block, ask.sieve().sift(block), of, former, visit);
}

template <class Visit>
void BlockBook::each_sifted(const BlockAsk& ask, const Block& block, const Sifted& sifted,
                            const OfferClass& of, bool former, Visit&& visit) const {
  LaneMask left = sifted.may;
  // By former prices, spot's and with discounts anything may fit.
  bool narrowed = former || ask.discounts(of);
  for (int tried = 0; left != 0; ++tried) {
    const bool in_order = tried < kTriedInOrder;
    const std::size_t lane = in_order ? block.first_in_order(left) : first_lane(left);
    const bool surely = (sifted.sure & lane_bit(lane)) != 0;
    if (!surely && !narrowed && (left & (left - 1)) != 0) {
      // Where codes leave a doubt the exact numbers of all that are left are compared at once.
      narrowed = true;
      const LaneMask doubtful = left & block.plain & ~sifted.sure;
      left &= ~doubtful | ask.sieve().narrow(block, doubtful);
      --tried;
      continue;
    }
    left &= ~lane_bit(lane);
    if (!visit(Met{block, lane, of, former, surely, in_order})) return;
  }
}

}  // namespace fallow::core
