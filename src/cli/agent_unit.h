// The systemd unit of a node's agent, and the file of its options: one text for `fallow agent
// install` and for the package (packaging/fallow-agent.service.in).
//
// Free functions; any thread.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace fallow::cli {

// Where things of an agent lie. Absolute paths, without the root below which they are written.
struct AgentUnit {
  bool user = false;  // of a user's own systemd: nothing of it needs root
  std::string program;
  std::string data;
  std::string options_file;
  std::string unit_file;
  std::string enabled_link;  // what `systemctl enable` makes
};

// The name that systemd knows it by.
inline constexpr const char* kAgentUnitName = "fallow-agent";
// Where the package's unit is.
inline constexpr const char* kPackagedUnitFile = "/lib/systemd/system/fallow-agent.service";

// The usual places for `program`. kInvalid for a user without a home.
Result<AgentUnit> usual_agent_unit(bool user, std::string program);

// kInvalid when a path has a character that systemd would read as something else, or lies where
// the service could not see it.
Result<std::string> agent_unit_text(const AgentUnit& unit);
// The data folder of what is installed below `root`: that which its unit file names, or the usual.
std::string installed_data(const AgentUnit& unit, const std::string& root);
// FALLOW_AGENT_OPTIONS="...". kInvalid when a word cannot be written there.
Result<std::string> agent_options_text(const std::vector<std::string>& words);

}  // namespace fallow::cli
