#include "sim/sim_network.h"

#include <algorithm>
#include <utility>

namespace fallow::sim {

Duration SimNetwork::latency() {
  Duration wait = world_.between(milliseconds(1), milliseconds(40));
  if (world_.fault_in(200)) {
    world_.reach(Mark::kMessageDelayed);
    wait += world_.between(milliseconds(200), seconds(20));
  }
  return wait;
}

std::vector<Time> SimNetwork::arrivals(Link& link, Time& last) {
  ++messages_;
  const Time now = world_.now();
  if (now < link.dark_until || world_.fault_in(200)) {
    world_.reach(Mark::kMessageLost);
    return {};
  }
  Time arrival = std::max(now, link.stalled_until) + latency();
  std::vector<Time> all;
  if (world_.fault_in(200)) {
    // Alone on a slower way: what is sent behind it arrives before.
    world_.reach(Mark::kMessageReordered);
    all.push_back(arrival + world_.between(milliseconds(50), seconds(3)));
  } else {
    last = std::max(last, arrival);
    all.push_back(last);
  }
  if (world_.fault_in(200)) {
    world_.reach(Mark::kMessageDoubled);
    all.push_back(all.front() + world_.between(milliseconds(1), seconds(8)));
  }
  return all;
}

ConnectionId SimNetwork::dial(std::size_t agent) {
  const ConnectionId id = ++last_id_;
  connections_[id].agent = agent;
  const Link& link = links_[agent];
  const Time now = world_.now();
  if (now < link.dark_until || now < link.stalled_until) {
    world_.after(seconds(10), [this, id] { refuse(id); });
    return id;
  }
  world_.after(latency(), [this, id] {
    const auto found = connections_.find(id);
    if (found == connections_.end() || !found->second.agent_open) return forget_if_over(id);
    if (server_ == nullptr || !server_->accepts()) return refuse(id);
    Connection& connection = found->second;
    connection.server_open = true;
    connection.last_to_agent = connection.last_to_server = world_.now() + milliseconds(2);
    world_.at(connection.last_to_agent,
              [this, id] { to_agent(id, [id](AgentEnd& end) { end.link_opened(id); }); });
    server_->link_opened(id);
  });
  return id;
}

void SimNetwork::refuse(ConnectionId id) {
  to_agent(id, [id](AgentEnd& end) { end.link_closed(id); });
  connections_.erase(id);
}

void SimNetwork::send_to_server(ConnectionId id, std::string bytes) {
  const auto found = connections_.find(id);
  if (found == connections_.end() || !found->second.agent_open) return;
  for (const Time arrival : arrivals(links_[found->second.agent], found->second.last_to_server)) {
    world_.at(arrival, [this, id, bytes] {
      const auto there = connections_.find(id);
      if (there != connections_.end() && there->second.server_open && server_->accepts()) {
        server_->link_received(id, bytes);
      }
    });
  }
}

void SimNetwork::send_to_agent(ConnectionId id, std::string bytes) {
  const auto found = connections_.find(id);
  if (found == connections_.end() || !found->second.server_open) return;
  for (const Time arrival : arrivals(links_[found->second.agent], found->second.last_to_agent)) {
    world_.at(arrival, [this, id, bytes] {
      to_agent(id, [id, &bytes](AgentEnd& end) { end.link_received(id, bytes); });
    });
  }
}

void SimNetwork::to_agent(ConnectionId id, const std::function<void(AgentEnd&)>& what) {
  const auto found = connections_.find(id);
  if (found == connections_.end() || !found->second.agent_open) return;
  if (AgentEnd* end = links_[found->second.agent].end) what(*end);
}

void SimNetwork::close_by_agent(ConnectionId id) {
  const auto found = connections_.find(id);
  if (found == connections_.end() || !std::exchange(found->second.agent_open, false)) return;
  const Link& link = links_[found->second.agent];
  if (found->second.server_open && world_.now() >= link.dark_until) {
    const Time told = std::max(found->second.last_to_server, link.stalled_until) + latency();
    world_.at(told, [this, id] {
      const auto there = connections_.find(id);
      if (there == connections_.end()) return;
      if (std::exchange(there->second.server_open, false) && server_->accepts()) {
        server_->link_closed(id);
      }
      forget_if_over(id);
    });
  }
  forget_if_over(id);
}

void SimNetwork::close_by_server(ConnectionId id) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  Connection& connection = found->second;
  if (std::exchange(connection.server_open, false)) {
    world_.after(microseconds(1), [this, id] {
      if (server_->accepts()) server_->link_closed(id);
    });
  }
  const Link& link = links_[connection.agent];
  if (world_.now() < link.dark_until) {
    world_.reach(Mark::kConnectionCut);  // the agent must find out by itself
    return forget_if_over(id);
  }
  connection.last_to_agent =
      std::max({connection.last_to_agent, link.stalled_until, world_.now()}) + latency();
  world_.at(connection.last_to_agent, [this, id] {
    to_agent(id, [id](AgentEnd& end) { end.link_closed(id); });
    const auto there = connections_.find(id);
    if (there != connections_.end()) there->second.agent_open = false;
    forget_if_over(id);
  });
}

void SimNetwork::server_died() {
  std::vector<ConnectionId> open;
  for (auto& [id, connection] : connections_) {
    if (std::exchange(connection.server_open, false)) open.push_back(id);
  }
  for (const ConnectionId id : open) close_by_server(id);
}

void SimNetwork::partition(std::size_t agent, Duration how_long) {
  world_.reach(Mark::kPartitioned);
  Link& link = links_[agent];
  (world_.one_in(2) ? link.dark_until : link.stalled_until) = world_.now() + how_long;
}

void SimNetwork::forget_if_over(ConnectionId id) {
  const auto found = connections_.find(id);
  if (found != connections_.end() && !found->second.agent_open && !found->second.server_open) {
    connections_.erase(found);
  }
}

}  // namespace fallow::sim
