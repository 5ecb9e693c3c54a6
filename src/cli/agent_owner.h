// fallow agent owner-policy, owner-report: the owner of a provider's machine.
#pragma once

#include <memory>

#include "cli/context.h"
#include "cli/host.h"
#include "cli/parser.h"

namespace fallow::cli {

// Adds both to `fallow agent`, whose arguments they share.
void add_agent_owner(Parser& agent, Context& context, Host& host,
                     const std::shared_ptr<AgentArguments>& arguments);

}  // namespace fallow::cli
