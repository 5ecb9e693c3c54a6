// AgentSocket: the agent's one connection to the hub, a WebSocket on GET /v1/agent.
//
// It has one I/O thread of its own, on which every callback comes, never inside a call of the
// caller's and never concurrently. When the destructor returns, no callback runs or will run.
// open(), send() and close() from any thread.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "client/config.h"

namespace fallow::client {

struct AgentSocketLimits {
  std::size_t message_bytes_max = std::size_t{16} << 20;  // received; beyond it the connection ends
  std::size_t send_queue_messages_max = 256;
  std::size_t send_queue_bytes_max = std::size_t{16} << 20;
};

struct AgentSocketEvents {
  std::function<void()> opened;
  std::function<void(std::string bytes)> received;  // one binary message, in order
  // Once for every open(): it could not connect, or the connection ended.
  std::function<void(Error why)> closed;
};

class AgentSocket {
 public:
  // kInvalid when the URL or the certificate in `config` cannot be understood.
  static Result<std::unique_ptr<AgentSocket>> make(const Config& config,
                                                   AgentSocketLimits limits = {});
  ~AgentSocket();
  AgentSocket(const AgentSocket&) = delete;
  AgentSocket& operator=(const AgentSocket&) = delete;

  // Starts to connect, for at most 10 s. Only after closed(), or the first time.
  void open(AgentSocketEvents events);
  // kBusy: the queue is full, try again later. kClosed: not open.
  Status send(std::string_view bytes);
  // Ends the connection; closed() follows. Without effect when there is none.
  void close();

 private:
  struct Impl;
  explicit AgentSocket(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fallow::client
