// The keeper of a virtual machine, on the host: process 1 of the sandbox in which the machine's
// emulator runs. To the supervisor it is what the workload is in other sandboxes: the workload's
// output is its own, it takes the connections of those who reach in, a SIGTERM to it is one to the
// workload, and it ends as the workload does. The machine ends with it.
//
// Nothing that it reads from the machine is trusted: that may be the workload's by then.
#pragma once

namespace fallow::init {

// Starts the emulator, whose descriptor kTalkFd is the machine's port, and answers the workload's
// exit code; kBrokenCode, with a sentence in the error output, when the machine is not up within
// `boot_ms_max`. `word`: the pipe for the words of guest_talk.h.
int keep_machine(int word, int boot_ms_max, char** emulator);

// Where the emulator finds its end of the port.
constexpr int kTalkFd = 3;

}  // namespace fallow::init
