// The door of a sandbox: the socket `door` in its lease's folder, at which the agent knocks for a
// renter who wants to reach in.
//
// The supervisor opens it and hands every connection on to the sandbox's process 1, unread; from
// then on the agent speaks with a process inside (runtime/init/reach.h). Free functions.
#pragma once

#include <string>

#include "base/file.h"
#include "base/result.h"

namespace fallow::runtime {

// The supervisor's: listens at the path, which is short or relative.
Result<Fd> open_door(const std::string& path);
// Passes everybody who waits at `door` to the process at the other end of `inside`. Who cannot be
// passed on is turned away. Never waits.
void let_in(const Fd& door, const Fd& inside);

// The agent's: a connection with a process of the sandbox, not blocking. kNotFound: no workload
// runs there, or one that was started by an agent without doors.
Result<Fd> knock(const std::string& lease_folder);

}  // namespace fallow::runtime
