// Which offers of a block surely rank behind the best one found so far, told by two rows of codes:
// how many devices are free as a whole, and how likely the node is to last. Where all offers have
// one price nothing else tells them apart, and nearly all are told by this before any of them is
// looked at.
//
// Market thread only; of one search in one class, by price. Refers to the ask and the class.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/block_ask.h"
#include "core/block_class.h"
#include "core/block_cursor.h"
#include "core/zone.h"

namespace fallow::core {

class Outranked {
 public:
  Outranked(const BlockAsk& ask, const OfferClass& of);

  // The lanes of the block that the cursor stands at but those that surely rank behind, as far as
  // keep() has found out of blocks before: mostly few are left to be sifted.
  LaneMask left_of(const Block& block, const BlockCursor& cursor) const;
  // Of the lanes, which the sieve let through, those that may rank before `best` or beside it. From
  // call to call the cursor only goes on, and `best` gets no worse.
  LaneMask keep(const Block& block, const BlockCursor& cursor, LaneMask lanes, const Rank& best);

 private:
  Code behind_up_to(std::size_t whole);

  const BlockAsk& ask_;
  const OfferClass& of_;
  const bool judges_;
  const Code unknown_;
  std::uint32_t too_few_ = 0;  // the entries of fewer free devices than are asked for
  // What the entries were made for: a rank to beat, and prices that no offer to come is below.
  std::int64_t first_ = 0;
  Candidate least_;
  std::uint32_t made_ = 0;  // a bit an entry
  // By free devices: nodes that last so likely at most rank behind. Those that are not made yet
  // stand as they were for an earlier rank to beat, 0 at first.
  CodesByCount behind_{};
};

}  // namespace fallow::core
