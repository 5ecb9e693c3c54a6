// The sandbox's end of one tunnel: what the renter asks for is done here, by a process of the
// sandbox, so that it can do what the workload can and nothing more.
//
// Runs in a child of process 1; nothing of the host has read what the renter sent.
#pragma once

namespace fallow::init {

// Serves the connection until it ends, with all signals blocked. What was started is told to hang
// up then. Answers the exit code of the process.
int serve_tunnel(int connection);

}  // namespace fallow::init
