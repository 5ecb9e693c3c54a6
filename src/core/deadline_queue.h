// Which open lease is due next.
//
// Every word of a node moves the deadlines of its leases back, so moving must cost next to nothing
// and asking for the first may cost more. Leases due at the same moment share a bucket, and all
// commands of a batch have one moment: a move is one append and two counts. What moved away stays
// in its old bucket's list until that bucket comes to the front or has nothing live any more, so
// the lists hold at most one entry for each move within the longest deadline.
//
// Owner: MarketState, market thread only. Order is by moment, then by lease, whatever the history.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "base/types.h"

namespace fallow::core {

// A moment at which something is due, ties broken by the lease.
struct Due {
  Time at;
  LeaseId lease;
  auto operator<=>(const Due&) const = default;
};

class DeadlineQueue {
 public:
  struct Bucket;
  // Where a lease stands; kept by the lease.
  struct Place {
    Time at;  // 0: not queued
    Bucket* bucket = nullptr;
  };

  // Puts the lease where it is due at `at` (> 0), or moves it there.
  void put(LeaseId lease, Place& place, Time at);
  // Takes it out; nothing when it is not queued.
  void remove(Place& place);

  // When the first lease is due.
  std::optional<Time> next() const;
  // The first of all. `place_of` gives a lease's place, null when there is no such lease any more.
  template <class PlaceOf>
  std::optional<Due> front(PlaceOf&& place_of);

  // Leases queued.
  std::size_t size() const { return size_; }
  // Whether the lease can be found where its place says. Linear in the bucket, for checks.
  static bool holds(LeaseId lease, const Place& place);

  struct Bucket {
    Time at;
    std::size_t live = 0;         // leases whose place is here, each once
    bool in_order = true;         // descending, so that the first is at the back
    std::vector<LeaseId> leases;  // those, and some that moved away or were put here again
  };

 private:
  Bucket& bucket_at(Time at);
  static void put_in_order(Bucket& bucket);

  using Buckets = std::map<Time, Bucket>;
  Buckets buckets_;           // each with something live; addresses stay
  Buckets::node_type spare_;  // the latest that had nothing live any more: memory for the next
  std::size_t size_ = 0;
};

template <class PlaceOf>
std::optional<Due> DeadlineQueue::front(PlaceOf&& place_of) {
  if (buckets_.empty()) return std::nullopt;
  Bucket& bucket = buckets_.begin()->second;
  if (!bucket.in_order) put_in_order(bucket);
  for (;; bucket.leases.pop_back()) {
    const LeaseId lease = bucket.leases.back();
    const Place* const place = place_of(lease);
    if (place != nullptr && place->bucket == &bucket) return Due{bucket.at, lease};
  }
}

}  // namespace fallow::core
