#include "agent/tunnels.h"

#include <utility>

#include "tunnel/mux.h"

namespace fallow::agent {

Result<std::unique_ptr<MarketTunnels>> MarketTunnels::make(const client::Config& market) {
  FALLOW_ASSIGN(auto dialer, client::TunnelDialer::make(market));
  return std::unique_ptr<MarketTunnels>(new MarketTunnels(std::move(dialer)));
}

void MarketTunnels::open(std::string token, Result<Fd> inside) {
  if (dialer_->open_count() >= kOpenMax) {
    inside = fail(ErrorCode::kBusy, "the node has {} tunnels open, as many as it may", kOpenMax);
  }
  std::string refusal;
  if (!inside) {
    tunnel::Mux mux(tunnel::Side::kSandbox);
    mux.say_goodbye(inside.error().message);
    mux.take_output(refusal, tunnel::kPayloadBytesMax);
  }
  dialer_->dial(std::move(token), inside ? std::move(*inside) : Fd(), std::move(refusal));
}

}  // namespace fallow::agent
