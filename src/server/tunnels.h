// Tunnels: joins a renter's WebSocket and an agent's into one way into a lease's sandbox.
//
// The renter asks; the hub asks the node's agent, which dials; then bytes go from one to the other,
// unread (docs/formats/tunnel.md is what they say). A side that takes nothing holds back the other;
// no more than a socket's queue is kept. A tunnel ends with its lease, with the key or session that
// opened it, and with the server.
//
// Owner: Server. serve_*() on their connections' I/O threads, on_batch() on the market thread, the
// rest on any.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/env.h"
#include "base/types.h"
#include "engine/batch.h"
#include "net/exchange.h"
#include "net/websocket.h"
#include "server/auth.h"
#include "server/limits.h"
#include "server/problem.h"

namespace fallow::server {

struct TunnelLimits {
  std::size_t open_max = 1'024;             // open or being opened; beyond: 503
  std::size_t open_per_account_max = 64;    // 429
  std::size_t open_per_lease_max = 8;       // 429
  RateLimit opened_per_lease{5, 16};        // 429
  Duration meeting_time_max = seconds(15);  // for the agent to come
};

class Tunnels final : public engine::Subscriber {
 public:
  // Tells the node's agent; false: it is not connected.
  using Ask = std::function<bool(NodeId node, LeaseId lease, std::string_view token)>;
  // Clock and random outlive it.
  Tunnels(Ask ask, const Clock& clock, Random& random, TunnelLimits limits = {});

  // Whose and where to: `caller` is the lease's renter.
  struct Way {
    Caller caller;
    LeaseId lease;
    NodeId node;
  };
  // Asks the market again whether the way may be gone: much can end while the agent is on its way.
  using Recheck = std::function<net::Task<Answer<void>>()>;
  // GET /v1/leases/{lease}/tunnel. Returns when the tunnel has ended; the status that was answered,
  // or a problem still to be. `recheck` is called when what ends later is heard of by on_batch().
  net::Task<Answer<int>> serve_renter(net::Exchange& exchange, Way way, Recheck recheck);
  // GET /v1/agent/tunnel: the bearer token is the hub's.
  net::Task<Answer<int>> serve_agent(net::Exchange& exchange);

  // Nobody waits for an agent any more, and no tunnel is opened. Those that are open are ended by
  // the HTTP server, as all WebSockets are.
  void shut_down();
  // About once a second: keys expire, and people sign out. Whether a session stands, from any
  // thread, without waiting.
  using SessionStands = std::function<bool(const Digest& session)>;
  void tick(const SessionStands& session_stands);

  struct Counts {
    std::size_t open = 0;
    std::uint64_t opened = 0;    // since the start
    std::uint64_t bytes_in = 0;  // from renters to sandboxes
    std::uint64_t bytes_out = 0;
  };
  Counts counts() const;

  // Subscriber.
  std::string_view name() const override { return "tunnels"; }
  void on_batch(const engine::Batch& batch, const core::Machine& machine) override;

 private:
  using Socket = std::shared_ptr<net::WebSocket>;
  // Where the two sides find each other.
  struct Meeting;
  struct Tunnel {
    Way way;
    Socket renter;
    Socket agent;
  };

  Answer<std::string> announce(const Way& way, const std::shared_ptr<Meeting>& meeting);
  bool is_stopping() const;
  void leave(const Way& way, const std::string& token);
  // Ends the tunnels that `is_over`.
  void end_if(const std::function<bool(const Way&)>& is_over, std::string_view why);

  const Ask ask_;
  const Clock& clock_;
  Random& random_;
  const TunnelLimits limits_;
  RateLimiter opened_per_lease_;

  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Meeting>, std::less<>> meetings_;  // by token
  std::map<std::string, Tunnel> tunnels_;                                  // by token
  std::map<AccountId, std::size_t> by_account_;                            // open or being opened
  std::map<LeaseId, std::size_t> by_lease_;
  bool stopping_ = false;
  std::size_t open_ = 0;
  std::uint64_t opened_ = 0;
  std::atomic<std::size_t> watched_ = 0;  // tunnels_.size(), to be asked on every batch
  std::atomic<std::uint64_t> bytes_in_ = 0;
  std::atomic<std::uint64_t> bytes_out_ = 0;
};

}  // namespace fallow::server
