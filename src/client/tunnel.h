// Tunnel: a renter's way into the sandbox of a running lease, GET /v1/leases/{lease}/tunnel.
//
// The bytes that go through it are those of docs/formats/tunnel.md; whoever opens it speaks them on
// the local socket. It has one I/O thread of its own.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "base/file.h"
#include "base/types.h"
#include "client/api.h"
#include "client/config.h"

namespace fallow::client {

class Tunnel {
 public:
  // Blocks until the sandbox's node has answered, at most 30 s. A market that is asked too fast, or
  // has no room, is asked again as calls are. kCancelled soon after `cancelled`, which may be null,
  // has become true; it is looked at until this returns.
  static ApiResult<std::unique_ptr<Tunnel>> open(const Config& market, LeaseId lease,
                                                 const std::atomic<bool>* cancelled = nullptr);
  // Ends it.
  ~Tunnel();
  Tunnel(const Tunnel&) = delete;
  Tunnel& operator=(const Tunnel&) = delete;

  // A stream socket; its end is the tunnel's. Once.
  Fd take_local();
  // Why it ended, in a sentence; to be asked when the local socket has ended.
  std::string end() const;

 private:
  struct Impl;
  explicit Tunnel(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fallow::client
