// What the market laboratory keeps of its jobs, and what happens to them next. Owner: run_market;
// one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <queue>
#include <utility>
#include <vector>

#include "base/types.h"
#include "fallow/v1/types.pb.h"

namespace fallow::sim {

// A part of a job that runs on one node, begun anew from its last checkpoint when it is lost.
struct Piece {
  std::uint32_t job = 0;
  std::uint32_t gpus = 0;
  Duration left;  // on the reference card
  Time ordered_at;
};

struct Job {
  Time arrival;
  Duration running;  // on the reference card
  std::uint32_t pieces_left = 0;
  std::uint32_t renter = 0;
  v1::Tier tier = v1::ON_DEMAND;  // that its owner asks for
  std::uint32_t bid_pct = 100;    // on spot, of what the cheapest offer on demand costs then
};

struct Running {
  std::uint32_t piece = 0;
  std::uint32_t node = 0;
  v1::Tier tier = v1::ON_DEMAND;  // of the lease
};

// kEnd: its work is done, or the time that was paid for is over. kGone: a lease that was told to
// stop has had its notice. kMeters: a price interval is about to end.
enum class What : std::uint8_t { kArrival, kTurn, kEnd, kGone, kMeters, kSample };
struct PlannedEvent {
  Time at;
  std::uint64_t order = 0;  // of planning, so that ties are decided
  What what = What::kArrival;
  std::uint64_t number = 0;  // of the job, node, lease or sample
  bool operator>(const PlannedEvent& other) const {
    return std::pair(at, order) > std::pair(other.at, other.order);
  }
};

class MarketPlan {
 public:
  void add(Time at, What what, std::uint64_t number) {
    events_.push(PlannedEvent{at, ++planned_, what, number});
  }
  // When the next event is; nothing when there is none.
  std::optional<Time> next_at() const {
    if (events_.empty()) return std::nullopt;
    return events_.top().at;
  }
  // Takes the next event out, unless it is after `end`.
  std::optional<PlannedEvent> next(Time end) {
    if (events_.empty() || events_.top().at > end) return std::nullopt;
    const PlannedEvent event = events_.top();
    events_.pop();
    return event;
  }

 private:
  std::uint64_t planned_ = 0;
  std::priority_queue<PlannedEvent, std::vector<PlannedEvent>, std::greater<>> events_;
};

}  // namespace fallow::sim
