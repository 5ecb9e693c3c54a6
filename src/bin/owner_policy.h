// The owner of a provider's machine, as the command line asks for it: policy, watch, report.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/owner_watch.h"
#include "base/result.h"
#include "cli/host.h"

namespace fallow::bin {

// Of the agent on this data folder (agent/owner_history.h).
std::string owner_history_of(const std::string& data);

// The watch that the arguments ask for, or that the folder's owner-policy.toml does; null: neither.
// `groups`: the control groups of leases.
Result<std::unique_ptr<agent::OwnerWatch>> watch_owner(const cli::AgentArguments& arguments,
                                                       const std::string& data,
                                                       const std::vector<std::string>& groups,
                                                       const Clock& clock);

}  // namespace fallow::bin
