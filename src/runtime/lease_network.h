// LeaseNetwork: the network of one lease with egress: a namespace of its own, a link into it, and
// the host's rules for that link (runtime/egress.h).
//
// The namespace has no name: it lives as long as its supervisor, which holds a descriptor, and the
// processes in it; with it the kernel removes the link. The table of rules outlives both: it is the
// last to go, by remove() or by the agent's sweep, so that nothing is ever connected without it.
//
// Owned by the supervisor; one thread; root.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

#include "base/file.h"
#include "base/result.h"
#include "base/types.h"
#include "runtime/egress.h"

namespace fallow::runtime {

class LeaseNetwork {
 public:
  // Scripts for the tools are left in the working folder, as network.*: they say that there is
  // something to remove. Blocks for as long as six short processes take.
  // The lease may send `bytes_max`; 0: as much as it likes.
  static Result<LeaseNetwork> make(const EgressPolicy& policy, LeaseId lease, pid_t supervisor,
                                   std::uint64_t bytes_max);
  // What make() made, also when it had failed half-way. Nothing runs in it any more.
  static void remove(const EgressPolicy& policy, LeaseId lease, pid_t supervisor);

  const Fd& name_space() const { return name_space_; }

  // Asks the policy's resolvers from inside, for the first trial: does anything get out and back?
  Status try_resolvers(const EgressPolicy& policy) const;
  // runsc takes a namespace for the host's when it finds this setting in it, as it does in every
  // one since Linux 6.11. Covers it, in the caller's mount namespace, for this namespace only.
  Status hide_from_runsc() const;

 private:
  // Calls `act` inside.
  Status within(const std::function<Status()>& act) const;

  Fd name_space_;
  Fd host_;  // where the supervisor itself stays
};

// Removes what supervisors that are gone have left of this owner's networks.
void sweep_networks(const std::string& owner,
                    const std::function<bool(LeaseId, pid_t supervisor)>& lives);

}  // namespace fallow::runtime
