// SpotHistory: what is known of how long spot capacity of one class stays, and stays away.
//
// For both states, by age on a doubling scale: how much time was watched, and how often the state
// ended there. Spot capacity comes and goes in heavy-tailed spans (most are minutes, a few are
// days), so the odds that it stays depend on how long it has stayed. A value; no thread, no clock,
// integers only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/types.h"

namespace fallow::core {

// Bucket b holds the ages from age_from(b) to age_from(b + 1); the last has no end. The first ends
// at kFirstAge, each other one at twice the age where it begins: up to twelve days.
constexpr std::size_t kAgeBuckets = 16;
constexpr Duration kFirstAge = seconds(64);
constexpr Duration age_from(std::size_t bucket) {
  return bucket == 0 ? Duration() : Duration(kFirstAge.value << (bucket - 1));
}
std::size_t bucket_of(Duration age);

// How often a state ends while its age is in a bucket: `ends` times in `watched`. Never zero.
struct Hazard {
  std::int64_t ends = 0;
  std::int64_t watched_us = 0;
};
using Hazards = std::array<Hazard, kAgeBuckets>;

class SpotHistory {
 public:
  // `available` since `now`, or still. Calls in order of time; the first one begins the watch, and
  // its state counts from there.
  void note(bool available, Time now);

  // How long the state of the latest note() has lasted at `now`.
  Duration age(Time now) const { return now - since_; }

  // Was spot noted as available at this very moment?
  bool was_there(Time now) const { return begun_ && available_ && noted_ == now; }

  // For a snapshot, in order.
  template <class Archive, class History>
  static void fields(Archive& archive, History& history) {
    for (auto& buckets : history.buckets_) {
      for (auto& bucket : buckets) archive(bucket.ends, bucket.watched);
    }
    archive(history.begun_, history.available_, history.since_, history.noted_);
  }
  // Could calls of note() until `now` have made it?
  bool is_sound(Time now) const;

  // Of the spans in which spot was available, or was not. What was never watched is taken as
  // likely to last twice as long as it has as not to: one such end is mixed into every bucket.
  Hazards hazards(bool available) const;

 private:
  struct Bucket {
    std::int64_t ends = 0;
    Duration watched;
  };
  std::array<std::array<Bucket, kAgeBuckets>, 2> buckets_{};  // [available]
  bool begun_ = false;
  bool available_ = false;
  Time since_;
  Time noted_;
};

}  // namespace fallow::core
