// HubLink over WebSocket and TLS: what a real agent uses.
//
// Owner: the agent. Threads as hub_link.h says.
#pragma once

#include <memory>

#include "agent/hub_link.h"
#include "client/agent_socket.h"
#include "client/config.h"

namespace fallow::agent {

class MarketLink final : public HubLink {
 public:
  // kInvalid when the URL or the certificate cannot be understood.
  static Result<std::unique_ptr<MarketLink>> make(const client::Config& market);

  void open(HubLinkEvents events) override;
  Status send(std::string bytes) override { return socket_->send(bytes); }
  void close() override { socket_->close(); }

 private:
  explicit MarketLink(std::unique_ptr<client::AgentSocket> socket) : socket_(std::move(socket)) {}
  const std::unique_ptr<client::AgentSocket> socket_;
};

}  // namespace fallow::agent
