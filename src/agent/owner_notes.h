// OwnerNotes: what the market is told of the owner's comings and goings and of what that did to
// workloads, until it is sent.
//
// For people, and none of it counts: what a full queue or a lost connection costs is missing. No
// I/O. Owned by the agent's loop thread.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>

#include "base/types.h"
#include "fallow/v1/agent.pb.h"
#include "fallow/v1/types.pb.h"

namespace fallow::agent {

class OwnerNotes {
 public:
  static constexpr std::size_t kWaitingMax = 64;  // the oldest leave
  static constexpr std::size_t kWhyBytesMax = 200;

  // As it is now; told when it was otherwise. That nobody is there when the agent begins is no
  // news.
  void owner_is(v1::OwnerState state, std::string_view why, Time now);
  // What the owner's presence did to a workload.
  void lease_is(v1::OwnerAct act, LeaseId lease, Time now) { add(act, lease, {}, now); }

  bool empty() const { return waiting_.empty(); }
  // All that waits, each with its age. `now` as above: monotonic.
  v1::Telemetry telemetry(Time now) const;
  void sent() { waiting_.clear(); }

 private:
  struct Waiting {
    Time at;
    v1::OwnerNote note;
  };
  void add(v1::OwnerAct act, LeaseId lease, std::string_view why, Time now);

  v1::OwnerState state_ = v1::OWNER_STATE_UNSPECIFIED;
  std::deque<Waiting> waiting_;
};

}  // namespace fallow::agent
