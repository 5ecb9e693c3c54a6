// The program of bin/supervisor, carried inside this one, so that a node needs one file.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace fallow::bin {

// Writes it into `folder` (absolute, the agent's own; made when it is not there), in place of an
// earlier agent's, whose supervisors keep theirs. Answers how to run it:
// SandboxOptions::supervisor.
Result<std::vector<std::string>> write_supervisor(const std::string& folder);

}  // namespace fallow::bin
