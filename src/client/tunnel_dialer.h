// TunnelDialer: the agent's half of tunnels: for each that the hub asks for it connects to GET
// /v1/agent/tunnel and carries bytes between there and a socket of the agent's.
//
// Has one I/O thread of its own, from the first dial on. dial() from one thread. The destructor
// ends all tunnels.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "base/file.h"
#include "base/result.h"
#include "client/config.h"

namespace fallow::client {

class TunnelDialer {
 public:
  // kInvalid when the URL or the certificate in `market` cannot be understood.
  static Result<std::unique_ptr<TunnelDialer>> make(const Config& market);
  ~TunnelDialer();
  TunnelDialer(const TunnelDialer&) = delete;
  TunnelDialer& operator=(const TunnelDialer&) = delete;

  // Returns at once. `token` is the hub's. Without `inside` the bytes `refusal` are all that is
  // sent. `ended` is called on the I/O thread when all is over, unless the dialer goes first.
  void dial(std::string token, Fd inside, std::string refusal, std::function<void()> ended);
  std::size_t open_count() const;

 private:
  struct Impl;
  explicit TunnelDialer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fallow::client
