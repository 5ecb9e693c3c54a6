#include "core/spot_history.h"

#include <algorithm>

#include "base/check.h"

namespace fallow::core {
namespace {

// 1/ln 2, in halves: watched over a bucket's width so long, one end makes lasting to the next
// bucket as likely as not.
constexpr std::int64_t kHalvingHalves = 3;

}  // namespace

std::size_t bucket_of(Duration age) {
  std::size_t bucket = 0;
  while (bucket + 1 < kAgeBuckets && age >= age_from(bucket + 1)) ++bucket;
  return bucket;
}

void SpotHistory::note(bool available, Time now) {
  if (!begun_) {
    begun_ = true;
    available_ = available;
    since_ = noted_ = now;
    return;
  }
  FALLOW_CHECK(now >= noted_, "spot is noted at {} after {}", now.us, noted_.us);
  auto& buckets = buckets_[available_ ? 1 : 0];
  const Duration age = now - since_;
  Duration from = noted_ - since_;
  std::size_t bucket = bucket_of(from);
  while (from < age) {
    const Duration until = bucket + 1 < kAgeBuckets ? std::min(age, age_from(bucket + 1)) : age;
    buckets[bucket].watched += until - from;
    from = until;
    if (from < age) ++bucket;
  }
  noted_ = now;
  if (available == available_) return;
  // It ended where its last watched time lies.
  ++buckets[bucket].ends;
  available_ = available;
  since_ = now;
}

bool SpotHistory::is_sound(Time now) const {
  // Products of both are computed with 128 bits.
  constexpr std::int64_t kEndsMax = std::int64_t{1} << 40;
  constexpr std::int64_t kMost = std::int64_t{1} << 60;
  for (const auto& buckets : buckets_) {
    for (const Bucket& bucket : buckets) {
      if (bucket.ends < 0 || bucket.ends > kEndsMax) return false;
      if (bucket.watched.value < 0 || bucket.watched.value > kMost) return false;
    }
  }
  return Time{} <= since_ && since_ <= noted_ && noted_ <= now;
}

Hazards SpotHistory::hazards(bool available) const {
  Hazards hazards;
  for (std::size_t i = 0; i < kAgeBuckets; ++i) {
    const Bucket& bucket = buckets_[available ? 1 : 0][i];
    // The last bucket has no width; it goes on like the one before it, twice as wide.
    const Duration width = i + 1 < kAgeBuckets ? age_from(i + 1) - age_from(i) : age_from(i);
    hazards[i] = Hazard{bucket.ends + 1, bucket.watched.value + width.value * kHalvingHalves / 2};
  }
  return hazards;
}

}  // namespace fallow::core
