#include "core/block_cursor.h"

#include "base/check.h"

namespace fallow::core {

BlockCursor::BlockCursor(const Zone& root, const Sieve& sieve, Micros from)
    : sieve_(sieve), from_(from) {
  enter(root);
}

void BlockCursor::enter(const Zone& zone) {
  FALLOW_CHECK(depth_ < kHeightMax, "a tree of {} levels", depth_);
  LaneMask left = sieve_.sift(zone);
  if (from_.value > 0) {
    for (std::size_t i = 0; i + 1U < zone.count && zone.keys[i + 1].device_hour < from_; ++i) {
      left &= ~lane_bit(i);
    }
  }
  Step& step = steps_[depth_++];
  step = {&zone, left, left, 0};
  for (int i = 0; i < kAhead; ++i) fetch_ahead(step);
}

void BlockCursor::fetch_ahead(Step& step) const {
  if (step.ahead == 0) return;
  const std::size_t child = first_lane(step.ahead);
  if (step.zone->level == 1) {
    sieve_.prefetch(step.zone->block(child));
  } else {
    sieve_.prefetch(step.zone->zone(child));
  }
  step.ahead &= step.ahead - 1;
}

const Block* BlockCursor::next() {
  while (depth_ > 0) {
    Step& step = steps_[depth_ - 1];
    if (step.left == 0) {
      --depth_;
      continue;
    }
    step.at = first_lane(step.left);
    step.left &= step.left - 1;
    if (!sieve_.may_have_region(*step.zone, step.at)) continue;
    fetch_ahead(step);
    if (step.zone->level > 1) {
      enter(step.zone->zone(step.at));
      continue;
    }
    return &step.zone->block(step.at);
  }
  return nullptr;
}

bool BlockCursor::single_price() const {
  const Step& step = steps_[depth_ - 1];
  return step.at + 1U < step.zone->count &&
         step.zone->keys[step.at + 1].device_hour == step.key().device_hour;
}

const OfferKey* BlockCursor::rest() const {
  for (std::size_t depth = depth_; depth > 0; --depth) {
    const Step& step = steps_[depth - 1];
    if (step.left != 0) return &step.zone->keys[first_lane(step.left)];
  }
  return nullptr;
}

}  // namespace fallow::core
