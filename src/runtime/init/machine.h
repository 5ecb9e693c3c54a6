// Process 1 of a virtual machine: loads the drivers, mounts what the host shares, and keeps the
// workload in a sandbox of the machine's own kernel, as unprivileged as in the other kinds. It
// speaks with its keeper over the machine's port (guest_talk.h).
//
// The initial RAM file system gives it, beside itself as /init:
//
//   /modules/00 ...   the drivers, to be loaded in the order of their names
//   /filter           the workload's filter of system calls, as the kernel reads it
//   /spec             texts, each with a NUL behind it: "KEY VALUE"
//     root ro|rw      how the root is mounted
//     shm N           bytes of /dev/shm
//     nofile N, fsize N, core N, nproc N      the workload's limits of that name (setrlimit)
//     env NAME=VALUE  its environment, in order
//     word WORD       its command, in order
#pragma once

namespace fallow::init {

// Ends with the machine. What it cannot do is said on the machine's console.
[[noreturn]] void run_machine();

}  // namespace fallow::init
