// What a workload has used: from its control groups of either version, and where these do not tell
// from its processes.
//
// Reads small files; no state; any thread. Figures of processes that nobody reaped are lost.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "agent/runtime.h"

namespace fallow::runtime {

// The folders of its groups that are there; below the parents of runtime/cgroup.h.
std::vector<std::string> groups_of(const std::vector<std::string>& parents,
                                   const std::string& name);

// `groups` as above; `supervisor`: what descends from it is the workload's where there are no
// groups. Without its network. Over a root, for tests: of the processes.
agent::WorkloadUse workload_use(const std::vector<std::string>& groups, pid_t supervisor,
                                const std::string& root = "");

// Adds what went over the host's end of its network; nothing when there is no such interface.
void add_network_use(const std::string& interface, agent::WorkloadUse& use,
                     const std::string& root = "");

}  // namespace fallow::runtime
