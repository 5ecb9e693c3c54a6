// What the agent does when a renter wants to reach into a lease's sandbox.
//
// Owned by the agent; its loop thread calls open(). The bytes of a tunnel pass by on other threads,
// and no part of the agent reads them.
#pragma once

#include <memory>
#include <string>

#include "base/file.h"
#include "base/result.h"
#include "base/types.h"
#include "client/config.h"
#include "client/tunnel_dialer.h"

namespace fallow::agent {

// The dialing side: MarketTunnels is the one that ships.
class Tunnels {
 public:
  virtual ~Tunnels() = default;
  // Dials the hub with its token and joins that to `inside`; an error is told to the renter.
  // Returns at once.
  virtual void open(std::string token, Result<Fd> inside) = 0;
};

class MarketTunnels final : public Tunnels {
 public:
  // At once, on this node; a further one is refused.
  static constexpr std::size_t kOpenMax = 64;

  // kInvalid when the URL or the certificate cannot be understood.
  static Result<std::unique_ptr<MarketTunnels>> make(const client::Config& market);
  void open(std::string token, Result<Fd> inside) override;

 private:
  explicit MarketTunnels(std::unique_ptr<client::TunnelDialer> dialer)
      : dialer_(std::move(dialer)) {}
  const std::unique_ptr<client::TunnelDialer> dialer_;
};

}  // namespace fallow::agent
