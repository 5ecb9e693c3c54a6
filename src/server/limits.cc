#include "server/limits.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

namespace fallow::server {

RateLimiter::RateLimiter(RateLimit limit, std::size_t callers_max, std::uint64_t seed)
    : limit_(limit), seed_(seed), sets_(std::max<std::size_t>(callers_max / kWays, 1)) {}

std::optional<Duration> RateLimiter::take(std::uint64_t caller, Time monotonic) {
  if (limit_.per_second <= 0) return std::nullopt;
  const std::lock_guard lock(mutex_);
  Set& set = sets_[NamedHash{}(caller ^ seed_) % sets_.size()];
  auto found = std::find_if(set.begin(), set.end(), [caller](const Bucket& bucket) {
    return bucket.at.us != 0 && bucket.caller == caller;
  });
  if (found == set.end()) {
    found = std::min_element(set.begin(), set.end(),
                             [](const Bucket& a, const Bucket& b) { return a.at < b.at; });
    *found = Bucket{caller, limit_.burst, monotonic};
  }
  const double elapsed_s = static_cast<double>((monotonic - found->at).value) / 1e6;
  found->tokens =
      std::min(limit_.burst, found->tokens + std::max(elapsed_s, 0.0) * limit_.per_second);
  found->at = monotonic;
  if (found->tokens >= 1) {
    found->tokens -= 1;
    return std::nullopt;
  }
  return Duration(
      static_cast<std::int64_t>(std::ceil((1 - found->tokens) / limit_.per_second * 1e6)));
}

std::uint64_t peer_number(std::string_view address) {
  const std::size_t colon = address.rfind(':');
  std::string host(address.substr(0, colon));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  std::uint64_t number = 0;
  in_addr v4{};
  in6_addr v6{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return v4.s_addr;
  if (inet_pton(AF_INET6, host.c_str(), &v6) == 1) std::memcpy(&number, &v6, sizeof number);
  return number;
}

std::optional<Admission::Ticket> Admission::enter() {
  if (in_flight_.fetch_add(1, std::memory_order_relaxed) >= in_flight_max_) {
    in_flight_.fetch_sub(1, std::memory_order_relaxed);
    return std::nullopt;
  }
  return std::optional<Ticket>(std::in_place, this);
}

}  // namespace fallow::server
