// The program that supervises one workload (runtime/supervisor.h). A program of its own, so that it
// starts in a third of the time and memory that `fallow` would take, which carries it inside
// (bin/supervisor_program.h).
#include <cstdio>
#include <string_view>

#include "runtime/supervisor.h"

int main(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "";
  if (mode != fallow::runtime::kSupervisorMode) {
    std::fputs("this program is for fallow's own use\n", stderr);
    return 2;
  }
  return fallow::runtime::supervisor_main(argc - 2, argv + 2);
}
