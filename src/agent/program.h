// Runs a helper program to its end, within a time limit: probes of drivers that may hang.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/types.h"

namespace fallow::agent {

struct ProgramOutput {
  int exit_code = 0;
  std::string out;  // at most bytes_max of it
};

// The first word is the path; the environment is empty but for PATH. Blocks; any thread. kTimedOut
// after `limit`: the program is killed (and left to the kernel if it hangs within a driver).
Result<ProgramOutput> run_program(std::vector<std::string> words, Duration limit,
                                  std::size_t bytes_max);

}  // namespace fallow::agent
