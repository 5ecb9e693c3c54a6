// Starts the process that is a workload's supervisor: see runtime/supervisor.h.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace fallow::runtime {

// Runs `words` with the lease's folder added, in a session of its own, with an empty environment;
// it inherits the held lock and ends with it. The caller reaps it.
Result<pid_t> spawn_supervisor(std::vector<std::string> words, const std::string& folder,
                               const Fd& lock);

}  // namespace fallow::runtime
