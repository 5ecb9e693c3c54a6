// The agent's data folder: which names in it are the agent's, so that nothing else goes with it.
//
// Free functions; any thread.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace fallow::agent {

// Whether an agent has made its key there.
bool is_agents_folder(const std::string& folder);

// kInvalid: it holds what is not an agent's, as a home folder or a disk with other data does. Fine:
// an agent's folder, an empty one, one with no more than an owner's policy and an agent.log, and
// one that is not there.
Status check_takes_agent(const std::string& folder);

// What an agent has made there, and is there: names below the folder, the node's key last, for by
// it a removal that was cut off is taken up again. In a folder that is no agent's only what the
// owner of a machine may have laid there before, and nothing where there are other things, too.
std::vector<std::string> agents_names_in(const std::string& folder);

}  // namespace fallow::agent
