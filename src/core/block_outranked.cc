#include "core/block_outranked.h"

#include <algorithm>

namespace fallow::core {

Outranked::Outranked(const BlockAsk& ask, const OfferClass& of)
    : ask_(ask),
      of_(of),
      judges_(ask.weighs() && ask.supply() == Supply::kFree),
      unknown_(ask.matcher().unknown_lasting()) {}

LaneMask Outranked::keep(const Block& block, const BlockCursor& cursor, LaneMask lanes,
                         const Rank& best) {
  if (!judges_) return lanes;
  // Prices of devices only rise from block to block: what was made for a lower one holds on.
  if (made_ == 0 || best.first != first_ || cursor.disk_gb_hour() < least_.disk_gb_hour) {
    first_ = best.first;
    least_ = ask_.matcher().least(ask_.paid_hour(cursor.key().device_hour, of_),
                                  cursor.disk_gb_hour(), ask_.speed(of_));
    made_ = 0;
  }
  const LaneRow& wholes = block.row(Column::kWhole);
  const LaneRow& lasting = block.row(lasting_column(ask_.matcher().span()));
  // What devices free in part become, and what stands elsewhere, too, is known of the node only.
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
