// The server's side of SSH for one client, on this machine: its channels become streams of a
// tunnel, so that a stock client works and nothing in the sandbox needs to speak SSH.
//
// Owner: `fallow ssh --proxy`, one thread.
#pragma once

#include <memory>

#include "base/file.h"
#include "base/result.h"
#include "cli/reach.h"
#include "cli/ssh_keys.h"

namespace fallow::cli {

// Serves the client at the socket until it leaves. kDenied: it is not the one with the lease's key.
// kClosed: the tunnel ended; reach.ended() says why.
Status serve_ssh(Reach& reach, const SshKeys& keys, Fd client);

}  // namespace fallow::cli
