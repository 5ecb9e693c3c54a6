// SimNetwork: connections between agents and the hub, over links that lose, double, delay and
// reorder messages, stall, break, or swallow everything.
//
// A connection that is cut is not told to either end at once: the agent notices that nothing is
// acknowledged, the hub that nothing is heard. Owner: run_chaos. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "sim/world.h"

namespace fallow::sim {

// One connection; never used twice. The hub's SessionId has the same number.
using ConnectionId = std::uint64_t;

// What the network tells its two ends. Every call comes from an event of its own.
class ServerEnd {
 public:
  virtual ~ServerEnd() = default;
  virtual bool accepts() const = 0;
  virtual void link_opened(ConnectionId id) = 0;
  virtual void link_received(ConnectionId id, const std::string& bytes) = 0;
  virtual void link_closed(ConnectionId id) = 0;
};
class AgentEnd {
 public:
  virtual ~AgentEnd() = default;
  virtual void link_opened(ConnectionId id) = 0;
  virtual void link_received(ConnectionId id, const std::string& bytes) = 0;
  virtual void link_closed(ConnectionId id) = 0;
};

class SimNetwork {
 public:
  SimNetwork(World& world, std::size_t agents) : world_(world), links_(agents) {}

  void set_server(ServerEnd* server) { server_ = server; }
  void set_agent(std::size_t agent, AgentEnd* end) { links_[agent].end = end; }

  // From the agent: link_opened or link_closed follows.
  ConnectionId dial(std::size_t agent);
  void send_to_server(ConnectionId id, std::string bytes);
  void send_to_agent(ConnectionId id, std::string bytes);
  // One end has closed: it hears nothing more, the other does in time.
  void close_by_agent(ConnectionId id);
  void close_by_server(ConnectionId id);
  // The server's process is gone, and with it its end of everything.
  void server_died();

  // For this long everything between the agent and the hub is held up, or swallowed.
  void partition(std::size_t agent, Duration how_long);
  std::uint64_t messages() const { return messages_; }

 private:
  struct Link {
    AgentEnd* end = nullptr;
    Time stalled_until;  // held up
    Time dark_until;     // swallowed
  };
  struct Connection {
    std::size_t agent = 0;
    bool agent_open = true;
    bool server_open = false;
    Time last_to_agent;
    Time last_to_server;
  };

  Duration latency();
  // When a message that is sent now arrives; none: never.
  std::vector<Time> arrivals(Link& link, Time& last);
  void to_agent(ConnectionId id, const std::function<void(AgentEnd&)>& what);
  // No connection came to be; the agent is always told.
  void refuse(ConnectionId id);
  void forget_if_over(ConnectionId id);

  World& world_;
  ServerEnd* server_ = nullptr;
  std::vector<Link> links_;
  std::map<ConnectionId, Connection> connections_;  // a few per agent
  ConnectionId last_id_ = 0;
  std::uint64_t messages_ = 0;
};

}  // namespace fallow::sim
