// The system calls a sandbox may make: one list, for bubblewrap as a program of BPF, for OCI
// runtimes as part of their configuration.
//
// The list is the default profile of containers/common 0.50.1 (Debian's package
// golang-github-containers-common, /usr/share/containers/seccomp.json, read in November 2026), less
// what asks for a capability, and less what a leased workload has no use for and the kernel has had
// holes in: mounting, namespaces, tracing, keyrings, other address families. Calls of 64-bit
// programs only: the 32-bit ones hide sockets and IPC behind one number each.
//
// Free functions; no state.
#pragma once

#include <string>

#include "base/json_text.h"
#include "base/result.h"

namespace fallow::runtime {

// Writes the object that stands under linux.seccomp in an OCI configuration. `leaves_clone3` is
// OciOptions'.
void put_seccomp(JsonText& json, bool leaves_clone3);

// The same rules as the kernel reads them: what bubblewrap takes from the descriptor of --seccomp.
// Takes two milliseconds.
Result<std::string> seccomp_program();

}  // namespace fallow::runtime
