// OwnerDecision: from what is seen of the owner to whether the owner is there.
//
// Pure; one thread. Present at once, away only when nothing was seen for away_after: people pause.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/types.h"
#include "fallow/v1/types.pb.h"

namespace fallow::agent {

// Why the machine is the owner's although nothing is seen of the owner.
inline constexpr std::string_view kOutsideSchedule = "outside the hours of the schedule";

// The owner's own word first; what is seen of the owner goes beyond "paused".
v1::OwnerState joined_owner_state(v1::OwnerState word, v1::OwnerState seen);

class OwnerDecision {
 public:
  // `seen_at`: when an earlier agent last saw the owner, as far as it is known.
  OwnerDecision(Duration away_after, std::optional<Time> seen_at)
      : away_after_(away_after), seen_at_(seen_at) {}

  struct Change {
    v1::OwnerState state = v1::OWNER_AWAY;  // or OWNER_PRESENT
    std::string why;
  };
  // `sign`: what says that the owner is there; nothing: nothing does. `lent`: within the hours of
  // the schedule, beyond which the machine is the owner's, seen or not. A change, or nothing when
  // it is as it was; the first look is a change. `now` is monotonic.
  std::optional<Change> look(const std::optional<std::string>& sign, bool lent, Time now);

  v1::OwnerState state() const { return state_; }

 private:
  const Duration away_after_;
  std::optional<Time> seen_at_;
  v1::OwnerState state_ = v1::OWNER_STATE_UNSPECIFIED;
};

}  // namespace fallow::agent
