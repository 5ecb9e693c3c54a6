// `fallow agent install`, `uninstall`, `status` and `earnings`: an agent as a service, and what its
// owner wants to know of it.
#pragma once

#include <memory>

#include "cli/command.h"

namespace fallow::cli {

// Add themselves to `agent`, whose options (--data among them) they read from `arguments`.
void add_agent_install(Parser& agent, const std::shared_ptr<AgentArguments>& arguments,
                       Context& context, Host& host);
void add_agent_status(Parser& agent, const std::shared_ptr<AgentArguments>& arguments,
                      Context& context, Host& host);
void add_agent_earnings(Parser& agent, const std::shared_ptr<AgentArguments>& arguments,
                        Context& context, Host& host);

// The data folder that is meant: --data, or where an agent usually keeps it. The machine's own
// before the user's; the machine's when there is neither.
std::string agent_data_folder(const AgentArguments& arguments);

}  // namespace fallow::cli
