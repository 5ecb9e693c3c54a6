// What the agent does when a renter wants to reach into a lease's sandbox.
//
// Owned by the agent; its loop thread calls open(). The bytes of a tunnel pass by on other threads,
// and no part of the agent reads them.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

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
  // Dials the hub with its token and joins that to `inside`, a way into the lease's sandbox. Of an
  // error the renter is told the kind. Returns at once.
  virtual void open(LeaseId lease, std::string token, Result<Fd> inside) = 0;
};

// What a renter may know of why there is no way in: an error's message may name the provider's
// files.
std::string_view told_to_renter(ErrorCode code);

class MarketTunnels final : public Tunnels {
 public:
  // At once; a further one is refused. Twice what a market lets a lease have, for those that are
  // just ending; and as many as a node's leases may have together, so that none takes them from
  // another.
  static constexpr std::size_t kOpenPerLeaseMax = 16;
  static constexpr std::size_t kOpenMax = 1'024;

  // kInvalid when the URL or the certificate cannot be understood.
  static Result<std::unique_ptr<MarketTunnels>> make(const client::Config& market);
  void open(LeaseId lease, std::string token, Result<Fd> inside) override;

 private:
  // Counted down where tunnels end.
  struct Open {
    std::mutex mutex;
    std::map<LeaseId, std::size_t> by_lease;
  };
  explicit MarketTunnels(std::unique_ptr<client::TunnelDialer> dialer)
      : dialer_(std::move(dialer)) {}
  const std::shared_ptr<Open> open_ = std::make_shared<Open>();
  const std::unique_ptr<client::TunnelDialer> dialer_;
};

}  // namespace fallow::agent
