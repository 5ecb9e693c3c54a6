// What all sandboxes of a node are made with beside their tools: files that the agent writes once,
// when it starts, so that no lease waits for them to be made.
//
// Free functions; no state.
#pragma once

#include <string>

#include "base/result.h"

namespace fallow::runtime {

struct SandboxFiles {
  std::string init;    // process 1: runtime/sandbox_init.h
  std::string filter;  // of system calls, as the kernel reads it: runtime/syscalls.h
};

// Writes them into `folder` (absolute, the agent's own), in place of an earlier agent's. Each
// appears whole; a supervisor that has one of before open keeps that.
Result<SandboxFiles> write_sandbox_files(const std::string& folder);

}  // namespace fallow::runtime
