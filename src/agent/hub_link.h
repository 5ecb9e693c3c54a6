// HubLink: the connection to the hub as the agent needs it. The client module has one over
// WebSocket and TLS; tests and the simulator have their own.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "base/result.h"

namespace fallow::agent {

// A message of the hub that is longer than this ends the connection; a desired set of 4,096 leases
// with long commands stays below it.
constexpr std::size_t kHubMessageBytesMax = std::size_t{16} << 20;
// Messages that may wait in the link to be sent; send() answers kBusy beyond.
constexpr std::size_t kHubSendQueueMax = 256;

// Called by the link on threads of its own, never inside a call of the agent's, and never
// concurrently. They return at once.
struct HubLinkEvents {
  std::function<void()> opened;
  std::function<void(std::string bytes)> received;  // one binary message, in order
  // Once for every open(): it could not connect, or the connection ended. Nothing of that
  // connection follows.
  std::function<void(Error why)> closed;
};

class HubLink {
 public:
  // When it returns, no callback runs or will run.
  virtual ~HubLink() = default;

  // Starts to connect to GET /v1/agent of the server, with a time limit of its own (10 s), and with
  // WebSocket pings so that a dead peer is noticed. Only after closed(), or the first time.
  virtual void open(HubLinkEvents events) = 0;
  // One binary message. kBusy: the queue is full, try again later. kClosed: not open.
  virtual Status send(std::string bytes) = 0;
  // Ends the connection; closed() follows. Without effect when there is none.
  virtual void close() = 0;
};

}  // namespace fallow::agent
