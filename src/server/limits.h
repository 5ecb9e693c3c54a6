// What keeps one caller from taking the server from all others: rates by key and by address, and a
// maximum of requests in flight.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/env.h"
#include "base/types.h"

namespace fallow::server {

struct RateLimit {
  double per_second = 0;  // 0: no limit
  double burst = 0;       // what may come at once after a silence
};

// Token buckets in a table of fixed size. A caller that finds its place taken replaces the one
// there that has been silent longest; who returns after that starts with a full bucket.
//
// Any thread.
class RateLimiter {
 public:
  // `seed` keeps outsiders from choosing who shares a place with whom.
  RateLimiter(RateLimit limit, std::size_t callers_max, std::uint64_t seed);

  // Nothing: go on. Else how long until the next request would be let in.
  std::optional<Duration> take(std::uint64_t caller, Time monotonic);

 private:
  static constexpr std::size_t kWays = 8;
  struct Bucket {
    std::uint64_t caller = 0;
    double tokens = 0;
    Time at;  // 0: free
  };
  using Set = std::array<Bucket, kWays>;

  const RateLimit limit_;
  const std::uint64_t seed_;
  std::mutex mutex_;
  std::vector<Set> sets_;  // callers_max / kWays
};

// Peers are told apart by IPv4 address or IPv6 /64. `address` as Stream::peer_address() writes it.
std::uint64_t peer_number(std::string_view address);

// Counts what is in flight; a Ticket is one of it.
class Admission {
 public:
  explicit Admission(std::size_t in_flight_max) : in_flight_max_(in_flight_max) {}

  class Ticket {
   public:
    explicit Ticket(Admission* admission) : admission_(admission) {}
    Ticket(Ticket&& other) noexcept : admission_(std::exchange(other.admission_, nullptr)) {}
    Ticket& operator=(Ticket&&) = delete;
    ~Ticket() {
      if (admission_ != nullptr) admission_->in_flight_.fetch_sub(1, std::memory_order_relaxed);
    }

   private:
    Admission* admission_;
  };

  // Nothing when the maximum is reached.
  std::optional<Ticket> enter();
  std::size_t in_flight() const { return in_flight_.load(std::memory_order_relaxed); }

 private:
  const std::size_t in_flight_max_;
  std::atomic<std::size_t> in_flight_ = 0;
};

}  // namespace fallow::server
