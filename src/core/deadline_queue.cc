#include "core/deadline_queue.h"

#include <algorithm>

#include "base/check.h"

namespace fallow::core {

void DeadlineQueue::put(LeaseId lease, Place& place, Time at) {
  FALLOW_CHECK(at.us > 0, "lease {} is due at no time", lease.value);
  if (place.at == at) return;
  remove(place);
  Bucket& bucket = bucket_at(at);
  bucket.in_order = bucket.leases.empty() || (bucket.in_order && lease < bucket.leases.back());
  bucket.leases.push_back(lease);
  ++bucket.live;
  ++size_;
  place = {at, &bucket};
}

void DeadlineQueue::remove(Place& place) {
  if (place.bucket == nullptr) return;
  if (--place.bucket->live == 0) spare_ = buckets_.extract(place.at);
  --size_;
  place = {};
}

std::optional<Time> DeadlineQueue::next() const {
  if (buckets_.empty()) return std::nullopt;
  return buckets_.begin()->first;
}

bool DeadlineQueue::holds(LeaseId lease, const Place& place) {
  return place.bucket != nullptr && place.bucket->at == place.at &&
         std::find(place.bucket->leases.begin(), place.bucket->leases.end(), lease) !=
             place.bucket->leases.end();
}

DeadlineQueue::Bucket& DeadlineQueue::bucket_at(Time at) {
  // Most deadlines are the latest so far.
  if (!buckets_.empty() && buckets_.rbegin()->first == at) return buckets_.rbegin()->second;
  if (spare_.empty()) {
    const auto [found, added] = buckets_.try_emplace(at);
    if (added) found->second.at = at;
    return found->second;
  }
  spare_.key() = at;
  Bucket& bucket = spare_.mapped();
  bucket.at = at;
  bucket.in_order = true;
  bucket.leases.clear();
  auto inserted = buckets_.insert(std::move(spare_));
  spare_ = std::move(inserted.node);
  return inserted.position->second;
}

void DeadlineQueue::put_in_order(Bucket& bucket) {
  std::sort(bucket.leases.begin(), bucket.leases.end(), std::greater<>());
  bucket.leases.erase(std::unique(bucket.leases.begin(), bucket.leases.end()), bucket.leases.end());
  bucket.in_order = true;
}

}  // namespace fallow::core
