// The agent's figures for a Prometheus on the same machine.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "net/http_server.h"
#include "net/io_pool.h"

namespace fallow::bin {

// GET /metrics on 127.0.0.1, plain. Owner: who runs the agent, which outlives it.
class AgentMetrics {
 public:
  // `port`: a number; "0" takes any free one. `text` may block for some seconds.
  static Result<std::unique_ptr<AgentMetrics>> start(const std::string& port,
                                                     std::function<std::string()> text);
  std::uint16_t port() const { return server_->port(); }

 private:
  AgentMetrics() : pool_(1) {}
  net::IoPool pool_;
  std::unique_ptr<net::HttpServer> server_;
};

}  // namespace fallow::bin
