// Runs a helper program to its end, within a time limit: probes of drivers that may hang.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "base/types.h"

namespace fallow::agent {

struct ProgramOutput {
  int exit_code = 0;
  std::string out;  // at most bytes_max of it
  std::string err;  // the last 4 KiB, when it was asked for
};

// How a program is run that takes longer than an answer.
struct ProgramRun {
  std::vector<std::string> environment;  // "NAME=value", besides PATH
  Duration limit;
  std::size_t bytes_max = 0;  // of its output
  const Fd* given = nullptr;  // it finds it as descriptor 3
  // Asked five times a second; false ends it, and all that it started, at once: kTimedOut.
  std::function<bool()> go_on;
};

// The first word is the path; the environment is empty but for PATH. Blocks; any thread. kTimedOut
// after `limit`: the program is killed (and left to the kernel if it hangs within a driver).
Result<ProgramOutput> run_program(std::vector<std::string> words, Duration limit,
                                  std::size_t bytes_max);
// The same, with its error output.
Result<ProgramOutput> run_program(std::vector<std::string> words, const ProgramRun& run);

// A program that runs on: its ends, or where there is none, nothing.
struct Child {
  int pid = -1;
  Fd in;   // its standard input; a socket
  Fd out;  // its standard output
};
// As above, with `environment` ("NAME=value") besides PATH. The caller reaps it.
Result<Child> start_program(std::vector<std::string> words, std::vector<std::string> environment);

}  // namespace fallow::agent
