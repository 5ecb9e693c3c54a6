// Which offers of a block surely rank behind the best one found so far, told by two rows of codes:
// how many devices are free as a whole, and how likely the node is to last. Where all offers have
// one price nothing else tells them apart, and nearly all are told by this before any of them is
// looked at.
//
// Market thread only; of one search in one class, by price. Refers to the ask and the class.
#pragma once

#include <array>
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

  // Of the lanes, which the sieve let through, those that may not rank behind `best`. The cursor
  // stands at the block, and from call to call only goes on; `best` never gets worse.
  LaneMask keep(const Block& block, const BlockCursor& cursor, LaneMask lanes, const Rank& best);

 private:
  // Of so many free devices and more the last entry speaks, as of any number.
  static constexpr std::size_t kCounts = 16;

  Code behind_up_to(std::size_t whole);

  const BlockAsk& ask_;
  const OfferClass& of_;
  const bool judges_;
  const Code unknown_;
  // What the entries were made for: a rank to beat, and prices that no offer to come is below.
  std::int64_t first_ = 0;
  Candidate least_;
  std::uint32_t made_ = 0;  // a bit an entry
  // By free devices: nodes that last so likely at most rank behind.
  std::array<Code, kCounts> behind_{};
};

}  // namespace fallow::core
