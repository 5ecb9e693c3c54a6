#include "core/deadline_queue.h"

#include <gtest/gtest.h>

#include <set>

#include "base/env.h"

namespace fallow::core {
namespace {

struct Leases {
  std::vector<DeadlineQueue::Place> places = std::vector<DeadlineQueue::Place>(64);
  DeadlineQueue queue;

  void put(std::uint64_t lease, std::int64_t at_us) {
    queue.put(LeaseId(lease), places[lease], Time{at_us});
  }
  void remove(std::uint64_t lease) { queue.remove(places[lease]); }
  std::optional<Due> front() {
    return queue.front([&](LeaseId id) { return &places[id.value]; });
  }
};

TEST(DeadlineQueueTest, LeasesOfOneMomentComeByTheirIds) {
  Leases leases;
  leases.put(3, 10);
  leases.put(1, 10);
  leases.put(2, 10);
  EXPECT_EQ(leases.front(), (Due{Time{10}, LeaseId(1)}));
  leases.remove(1);
  EXPECT_EQ(leases.front(), (Due{Time{10}, LeaseId(2)}));
  leases.put(1, 10);
  EXPECT_EQ(leases.front(), (Due{Time{10}, LeaseId(1)}));
}

TEST(DeadlineQueueTest, WhatMovedAwayIsNotMet) {
  Leases leases;
  leases.put(1, 10);
  leases.put(2, 10);
  leases.put(1, 20);
  EXPECT_EQ(leases.queue.next(), Time{10});
  EXPECT_EQ(leases.front(), (Due{Time{10}, LeaseId(2)}));
  leases.put(2, 30);
  EXPECT_EQ(leases.queue.next(), Time{20});
  leases.put(1, 10);
  EXPECT_EQ(leases.front(), (Due{Time{10}, LeaseId(1)}));
}

TEST(DeadlineQueueTest, ALeaseThatCameBackCountsOnce) {
  Leases leases;
  leases.put(1, 10);
  leases.put(2, 10);
  leases.put(1, 20);
  leases.put(1, 10);
  EXPECT_EQ(leases.queue.size(), 2U);
  leases.remove(1);
  EXPECT_EQ(leases.front(), (Due{Time{10}, LeaseId(2)}));
  leases.remove(2);
  EXPECT_EQ(leases.front(), std::nullopt);
  EXPECT_EQ(leases.queue.next(), std::nullopt);
  EXPECT_EQ(leases.queue.size(), 0U);
}

TEST(DeadlineQueueTest, AgreesWithAPlainOrderedSet) {
  const std::unique_ptr<Random> random = seeded_random(5);
  Leases leases;
  std::set<Due> naive;
  for (int i = 0; i < 20'000; ++i) {
    const std::uint64_t lease = random->below(leases.places.size());
    DeadlineQueue::Place& place = leases.places[lease];
    if (place.at.us > 0) naive.erase({place.at, LeaseId(lease)});
    if (random->below(5) == 0) {
      leases.remove(lease);
    } else {
      const Time at{1 + static_cast<std::int64_t>(random->below(12))};
      leases.put(lease, at.us);
      naive.insert({at, LeaseId(lease)});
      ASSERT_TRUE(DeadlineQueue::holds(LeaseId(lease), place));
    }
    ASSERT_EQ(leases.queue.size(), naive.size());
    if (naive.empty()) {
      ASSERT_EQ(leases.queue.next(), std::nullopt);
      continue;
    }
    ASSERT_EQ(leases.queue.next(), naive.begin()->at);
    if (random->below(3) == 0) {
      ASSERT_EQ(leases.front(), *naive.begin());
    }
  }
}

}  // namespace
}  // namespace fallow::core
