// Runs a helper program to its end, within a time limit: probes of drivers that may hang.
#pragma once

#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "base/types.h"

namespace fallow::agent {

struct ProgramOutput {
  int exit_code = 0;
  std::string out;  // at most bytes_max of it
};

// What becomes of what a program says to its error output.
enum class ErrorOutput { kDropped, kWithOutput };

// The first word is the path; the environment is empty but for PATH. Blocks; any thread. kTimedOut
// after `limit`: the program is killed (and left to the kernel if it hangs within a driver).
Result<ProgramOutput> run_program(std::vector<std::string> words, Duration limit,
                                  std::size_t bytes_max,
                                  ErrorOutput errors = ErrorOutput::kDropped);

// A program that runs on: its ends, or where there is none, nothing.
struct Child {
  int pid = -1;
  Fd in;   // its standard input; a socket
  Fd out;  // its standard output
};
// As above, with `environment` ("NAME=value") besides PATH. The caller reaps it.
Result<Child> start_program(std::vector<std::string> words, std::vector<std::string> environment,
                            ErrorOutput errors = ErrorOutput::kDropped);

}  // namespace fallow::agent
