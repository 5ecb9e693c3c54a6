// Starts, finds and ends the process that is a workload's supervisor: see runtime/supervisor.h.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace fallow::runtime {

// The numbers by which a supervisor inherits its lock, and what of the workload's environment is
// written to no disk (runtime/launch_file.h). What it starts must not inherit them in turn.
inline constexpr int kLockFd = 3;
inline constexpr int kSecretsFd = 4;

// Runs `words` with the lease's folder added, in a session of its own, with an empty environment;
// it inherits the held lock and ends with it, and `secrets`, which may be none. Neither has one of
// the numbers above. The caller reaps it.
Result<pid_t> spawn_supervisor(std::vector<std::string> words, const std::string& folder,
                               const Fd& lock, const Fd& secrets);

// The process that the supervisor of this lease's folder has written down to be; nothing until it
// has.
std::optional<pid_t> supervisor_pid(const std::string& folder);

// Ends a supervisor that cannot be followed; its sandbox ends with it. `lock` is open on the
// folder's lock and not held. Blocks until the supervisor is gone, ten seconds at most.
void end_supervisor(const std::string& folder, const Fd& lock);

}  // namespace fallow::runtime
