#include "agent/tunnels.h"

#include <functional>
#include <utility>

#include "tunnel/mux.h"

namespace fallow::agent {

Result<std::unique_ptr<MarketTunnels>> MarketTunnels::make(const client::Config& market) {
  FALLOW_ASSIGN(auto dialer, client::TunnelDialer::make(market));
  return std::unique_ptr<MarketTunnels>(new MarketTunnels(std::move(dialer)));
}

std::string_view told_to_renter(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNotFound:
      return "the workload does not run on this node, or cannot be reached";
    case ErrorCode::kBusy:
      return "as many tunnels as a lease or its node may have are open; close one";
    default:
      return "the node cannot open a way into the workload; its agent's log says why";
  }
}

void MarketTunnels::open(LeaseId lease, std::string token, Result<Fd> inside) {
  {
    const std::lock_guard lock(open_->mutex);
    std::size_t& count = open_->by_lease[lease];
    if (count >= kOpenPerLeaseMax || dialer_->open_count() >= kOpenMax) {
      inside = fail(ErrorCode::kBusy, "{} tunnels are open, {} of them to lease {}",
                    dialer_->open_count(), count, lease.value);
    }
    ++count;
  }
  std::string refusal;
  if (!inside) {
    tunnel::Mux mux(tunnel::Side::kSandbox);
    mux.say_goodbye(told_to_renter(inside.error().code));
    mux.take_output(refusal, tunnel::kPayloadBytesMax);
  }
  std::function<void()> ended = [open = open_, lease] {
    const std::lock_guard lock(open->mutex);
    const auto found = open->by_lease.find(lease);
    if (--found->second == 0) open->by_lease.erase(found);
  };
  dialer_->dial(std::move(token), inside ? std::move(*inside) : Fd(), std::move(refusal),
                std::move(ended));
}

}  // namespace fallow::agent
