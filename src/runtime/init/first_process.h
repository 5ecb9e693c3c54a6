// The first process of a sandbox: it runs the command as its child, serves those who reach in, and
// ends with the command.
//
// Free functions, called once by main() or, in a virtual machine, by a child of process 1.
#pragma once

namespace fallow::init {

// Exit codes as shells have them.
constexpr int kSignalBase = 128;    // + N: ended by signal N
constexpr int kNotFoundCode = 127;  // the command cannot be run
constexpr int kBrokenCode = 126;    // the sandbox itself is broken

// Becomes it, with the door as standard input. Answers its exit code, after which the process ends.
// `tie`: TIE of init.cc; -1: none. `is_joined`: the command begins with the first connection at the
// door, which is its standard input and output, and there is no other.
int be_first(int tie, bool is_joined, char** command);

// Of a status of wait(2).
int code_of(int status);

// The connection that waits at the door. -1: none. False: there will never be one again.
bool take_connection(int door, int& connection);

}  // namespace fallow::init
