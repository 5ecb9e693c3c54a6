#include "core/block_outranked.h"

#include <algorithm>

namespace fallow::core {

Outranked::Outranked(const BlockAsk& ask, const OfferClass& of)
    : ask_(ask),
      of_(of),
      judges_(ask.weighs() && ask.supply() == Supply::kFree),
      unknown_(ask.matcher().unknown_lasting()) {
  if (ask.matcher().share() != kWholeDevice) return;
  const std::size_t few = std::min<std::size_t>(ask.matcher().gpus(), kCounts - 1);
  too_few_ = (std::uint32_t{1} << few) - 1;
  std::fill_n(behind_.begin(), few, kCodeMax);
}

LaneMask Outranked::left_of(const Block& block, const BlockCursor& cursor) const {
  if (made_ == 0 || cursor.disk_gb_hour() < least_.disk_gb_hour) return block.used;
  // What devices free in part become, and what stands elsewhere, too, is known of the node only.
  const LaneMask told = block.used & block.plain & ~block.uneven;
  return (block.used & ~told) |
         lane_search.keep_above(block.row(lasting_column(ask_.matcher().span())), unknown_,
                                block.row(Column::kWhole), behind_, told);
}

LaneMask Outranked::keep(const Block& block, const BlockCursor& cursor, LaneMask lanes,
                         const Rank& best) {
  if (!judges_) return lanes;
  // Prices of devices only rise from block to block, and the rank to beat only falls: entries that
  // were made before turn away too little, never too much. But disk may be cheaper.
  const bool cheaper = cursor.disk_gb_hour() < least_.disk_gb_hour;
  if (made_ == 0 || best.first != first_ || cheaper) {
    first_ = best.first;
    least_ = ask_.matcher().least(ask_.paid_hour(cursor.key().device_hour, of_),
                                  cursor.disk_gb_hour(), ask_.speed(of_));
    made_ = too_few_;
    for (std::size_t i = 0; i < kCounts && cheaper; ++i) {
      if ((too_few_ >> i & 1U) == 0) behind_[i] = 0;
    }
  }
  const LaneRow& wholes = block.row(Column::kWhole);
  const LaneRow& lasting = block.row(lasting_column(ask_.matcher().span()));
  for (LaneMask left = lanes & block.plain & ~block.uneven; left != 0; left &= left - 1) {
    const std::size_t lane = first_lane(left);
    const Code known = lasting.at[lane];
    const Code lasts = known == 0 ? unknown_ : known;
    if (lasts <= behind_up_to(std::min<std::size_t>(wholes.at[lane], kCounts - 1))) {
      lanes &= ~lane_bit(lane);
    }
  }
  return lanes;
}

Code Outranked::behind_up_to(std::size_t whole) {
  const std::uint32_t bit = std::uint32_t{1} << whole;
  if ((made_ & bit) == 0) {
    made_ |= bit;
    const Matcher& matcher = ask_.matcher();
    Candidate candidate = least_;
    if (matcher.weighs_fragments() && whole >= matcher.gpus() && whole + 1 < kCounts) {
      candidate.stranded = matcher.stranded(static_cast<std::uint32_t>(whole));
    }
    behind_[whole] = matcher.behind_up_to(candidate, first_);
  }
  return behind_[whole];
}

}  // namespace fallow::core
