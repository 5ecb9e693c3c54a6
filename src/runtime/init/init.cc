// The first process of every sandbox, a static program of its own: it runs the command as its
// child, reaps whatever is left behind, and ends with the command's exit code (128 + N for signal
// N). The end of process 1 is the end of everything in the sandbox.
//
//   init TIE COMMAND...
//
// Its standard input is the door: a socket over which the supervisor hands it connections of
// renters who want to reach in. Each is served by a child (reach.h) that is as confined as the
// command, for it is made here. The command itself reads /dev/null.
//
// TIE is the number of a descriptor, or "-": the reading end of a pipe whose writing end only the
// supervisor holds. When that closes, the supervisor is dead, and the sandbox ends with it: nothing
// runs that nobody watches. A command that cannot be run gives the exit code 127 and one line.
//
// With a "+" behind TIE the command begins with the first connection, which is its standard input
// and output, and there is no other.
//
//   init keep WORD_FD BOOT_MS_MAX QEMU...     instead of a command: a virtual machine (keeper.h)
//   init machine                              process 1 of that machine (machine.h)
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "runtime/init/first_process.h"
#include "runtime/init/keeper.h"
#include "runtime/init/machine.h"

int main(int argc, char** argv) {
  using namespace fallow::init;
  // Anywhere else it would mount over the host's /dev and, in the end, start the host anew.
  if (argc == 2 && ::getpid() == 1 && std::strcmp(argv[1], "machine") == 0) run_machine();
  if (argc < 3) return kBrokenCode;
  if (std::strcmp(argv[1], "keep") == 0) {
    return argc < 5 ? kBrokenCode : keep_machine(std::atoi(argv[2]), std::atoi(argv[3]), argv + 4);
  }
  const int tie = argv[1][0] == '-' ? -1 : std::atoi(argv[1]);
  const bool is_joined = argv[1][std::strlen(argv[1]) - 1] == '+';
  return be_first(tie, is_joined, argv + 2);
}
