#include "agent/owner_decision.h"

namespace fallow::agent {

v1::OwnerState joined_owner_state(v1::OwnerState word, v1::OwnerState seen) {
  return word == v1::OWNER_PRESENT || seen == v1::OWNER_AWAY ? word : seen;
}

std::optional<OwnerDecision::Change> OwnerDecision::look(const std::optional<std::string>& sign,
                                                         bool lent, Time now) {
  if (sign) seen_at_ = now;
  const bool was_seen = sign || (seen_at_ && now - *seen_at_ < away_after_);
  const v1::OwnerState state = was_seen || !lent ? v1::OWNER_PRESENT : v1::OWNER_AWAY;
  if (state == state_) return std::nullopt;
  state_ = state;
  if (state == v1::OWNER_AWAY) return Change{state, "nothing is seen of the owner"};
  if (sign) return Change{state, *sign};
  return Change{state, was_seen ? "the owner was seen just before the agent started"
                                : std::string(kOutsideSchedule)};
}

}  // namespace fallow::agent
