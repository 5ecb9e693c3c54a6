// HubSession: when to connect, who we are, when to report, and what has been acknowledged.
//
// Pure logic of one connection at a time; no I/O, no clock. Owned by the reconciler, which adds
// the workloads. The connection itself is a HubLink (agent/hub_link.h) at the edge.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/actions.h"
#include "agent/signer.h"
#include "base/env.h"
#include "fallow/v1/agent.pb.h"

namespace fallow::agent {

struct SessionOptions {
  NodeId node;
  v1::NodeFacts facts;
  // The first retry is quick: most closed connections are a server's restart.
  Duration retry_first = milliseconds(100);
  Duration retry_min = milliseconds(500);
  Duration retry_max = seconds(30);
  Duration handshake_max = seconds(10);  // from opened to Welcome
};

// An Observed that was sent and not yet acknowledged.
struct Flight {
  std::uint64_t sequence = 0;
  Time sent_at;
  // Every lease it named, with the last meter record it carried (0: none).
  std::vector<std::pair<LeaseId, std::uint32_t>> leases;
};

class HubSession {
 public:
  HubSession(SessionOptions options, const Signer& signer, Random& random);

  void opened(Now now);
  void closed(Now now);
  // Challenge, Welcome and Goodbye; everything else is the reconciler's. Appends what follows.
  void received(const v1::HubMessage& message, Now now, std::vector<Action>& actions);
  // The longest pause before the next attempt from now on: who runs what is killed unless the
  // market hears of it cannot wait as long as who is idle. At most SessionOptions::retry_max.
  void come_back_within(Duration pause_max);
  // Connects when it is time, gives up on a peer that does not answer.
  void step(Now now, std::vector<Action>& actions);

  // Welcomed: reports may be sent and desired sets are meant for us.
  bool is_ready() const { return state_ == State::kReady; }
  bool heartbeat_due(Now now) const { return is_ready() && now.monotonic >= heartbeat_at_; }
  // Numbers the report and remembers it until its acknowledgement. At most kFlightsMax are
  // remembered; the acknowledgement of an older one is then without effect.
  void sent(v1::Observed& observed, Flight flight, Now now);
  // The flight that the acknowledgement names, if it is one; all up to it are settled.
  std::optional<Flight> acknowledged(std::uint64_t sequence);

  Time next_deadline() const;
  const v1::Policy& policy() const { return policy_; }
  const std::string& session_token() const { return session_token_; }
  bool has_quit() const { return has_quit_; }
  // Welcomed by a hub that knows what to do with it.
  bool takes_telemetry() const { return is_ready() && takes_telemetry_; }

  static constexpr std::size_t kFlightsMax = 64;

 private:
  enum class State { kClosed, kConnecting, kGreeting, kReady };

  void retry_later(Now now, Duration at_least);
  Duration pause_after(std::string_view goodbye) const;
  Duration jittered(Duration duration);
  Duration ack_wait_max() const;

  SessionOptions options_;
  const Signer& signer_;
  Random& random_;
  State state_ = State::kClosed;
  Time connect_at_{};           // kClosed: the next attempt
  Time greeting_until_{};       // kGreeting
  std::uint32_t failures_ = 0;  // attempts since the last Welcome
  Duration retry_max_ = options_.retry_max;
  Duration retry_at_least_{};  // the peer's own wish, by its Goodbye
  bool has_quit_ = false;
  bool takes_telemetry_ = false;  // kReady: as the Welcome said

  v1::Policy policy_;
  Duration heartbeat_ = seconds(2);
  std::string session_token_;
  Time heartbeat_at_{};
  std::uint64_t sequence_ = 0;
  std::deque<Flight> flights_;
};

// The rules before the market has told its own: those of docs/operations.md.
v1::Policy default_policy();

}  // namespace fallow::agent
