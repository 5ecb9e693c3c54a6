// What the hub asks of the world around it.
//
// Implemented by its edge (hub_endpoint.h), the simulator and tests. Called with the hub's lock
// held: every function only hands over and never calls back into the hub from within.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/result.h"
#include "base/types.h"
#include "core/machine.h"
#include "fallow/v1/agent.pb.h"
#include "fallow/v1/commands.pb.h"

namespace fallow::server {

// One connection of an agent; given out by whoever accepts connections, never used twice.
using SessionId = Named<struct SessionIdTag, std::uint64_t>;

// Told on the market thread when the command is in the log and applied: the market right after it.
// Null: it is not in the log.
using Stored = std::function<void(const core::Machine* market)>;

class HubPort {
 public:
  virtual ~HubPort() = default;
  // Queues a message to the agent. A connection that cannot keep up is closed by the port.
  virtual void send(SessionId session, const v1::HubMessage& message) = 0;
  // Ends the connection after what was sent; closed() follows.
  virtual void close(SessionId session) = 0;
  // Hands a command to the engine. An error: nothing was taken, `stored` is never called: kBusy,
  // kClosed, or kInvalid of a command that will never be.
  [[nodiscard]] virtual Status submit(const v1::Command& command, Stored stored) = 0;
  // Reads the market on its thread. False: the queue is full and nothing was taken.
  [[nodiscard]] virtual bool read(std::function<void(const core::Machine&)> visit) = 0;
  // Does it on a thread that may be busy for a second, never from within the call. False: too much
  // waits already and nothing was taken.
  [[nodiscard]] virtual bool work(std::function<void()> job) = 0;
  // Keeps a piece of a workload's output that the node may write; answers how far the stream now
  // reaches without a gap.
  virtual std::uint64_t store_log(const v1::LogChunk& chunk) = 0;
  // Keeps what a node measures; and which nodes somebody watches.
  virtual void keep_telemetry(NodeId node, v1::Telemetry telemetry) = 0;
  virtual std::vector<NodeId> nodes_watched() = 0;
};

}  // namespace fallow::server
