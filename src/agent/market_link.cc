#include "agent/market_link.h"

#include <utility>

namespace fallow::agent {

Result<std::unique_ptr<MarketLink>> MarketLink::make(const client::Config& market) {
  client::AgentSocketLimits limits;
  limits.message_bytes_max = kHubMessageBytesMax;
  limits.send_queue_messages_max = kHubSendQueueMax;
  FALLOW_ASSIGN(auto socket, client::AgentSocket::make(market, limits));
  return std::unique_ptr<MarketLink>(new MarketLink(std::move(socket)));
}

void MarketLink::open(HubLinkEvents events) {
  socket_->open({std::move(events.opened), std::move(events.received), std::move(events.closed)});
}

}  // namespace fallow::agent
