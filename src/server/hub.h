// The hub: the server's side of agent connections, without any I/O.
//
// It proves who connects, sends each node its whole desired set whenever that changes, checks the
// signatures of meter records before they may enter the log, and tells the market when a node's
// connection comes and goes. Level-triggered: a message that is lost costs one interval.
//
// Owner: Server (or the simulator). Any thread may call any method; messages arrive on I/O
// threads, batches on the market thread. HubPort is called with the hub's lock held and must only
// hand over: it never calls back into the hub from within.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "base/signing.h"
#include "base/types.h"
#include "core/machine.h"
#include "engine/batch.h"
#include "fallow/v1/agent.pb.h"
#include "fallow/v1/commands.pb.h"
#include "fallow/v1/events.pb.h"
#include "server/hub_port.h"
#include "server/proofs.h"
#include "server/secret_asks.h"

namespace fallow::server {

struct HubLimits {
  std::size_t sessions_max = 100'000;
  std::size_t observed_in_flight_max = 4;  // of one session; a further one is dropped
  std::size_t meters_per_message_max = 8'192;
  std::size_t log_bytes_per_chunk_max = 256 * 1024;
  std::size_t leases_known_max = 4'096;  // of one session, for the output of ended ones
  Duration heartbeat = seconds(5);     // at most: a third of the policy's silence, if that is less
  Duration silence_max = seconds(20);  // then the connection is given up
  Duration hello_time_max = seconds(10);  // from the challenge to the proof
  // What a node measures beyond these is dropped.
  std::size_t telemetry_bytes_max = 32 * 1024;
  Duration telemetry_pause = milliseconds(250);
  Duration telemetry_minute_pause = seconds(5);
  Duration owner_pause = milliseconds(250);  // between messages about the owner
  Duration watch = seconds(5);  // that a node is asked to send every second, each second anew
  ProofLimits proofs;
};

// Does a node's key hold for the signature? As verify_signature() of base/signing.h. Any thread.
using VerifySignature = bool (*)(std::string_view key, std::string_view bytes,
                                 std::string_view signature);

class Hub {
 public:
  // The first three outlive the hub. Another `verify` than the nodes' own scheme lets nobody in.
  Hub(HubPort& port, const Clock& clock, Random& random, HubLimits limits = {},
      VerifySignature verify = verify_signature);

  // A connection stands: it is challenged, or closed when there are too many.
  void opened(SessionId session);
  // A binary message of the agent. Anything out of order or out of bounds ends the connection
  // with a Goodbye that says why.
  void received(SessionId session, std::string_view bytes);
  // The connection is gone, whoever ended it. Unknown sessions are ignored.
  void closed(SessionId session);

  // After every batch, on the market thread: nodes whose desired set changed are told.
  void applied(const core::Machine& machine, std::span<const engine::Applied> batch);
  // Asks the node's agent to dial a tunnel into the lease's sandbox. False: it is not connected.
  bool open_tunnel(NodeId node, LeaseId lease, std::string_view token);
  // The leases of an order that wait for their secrets, as nodes say: whose a lease is the caller
  // looks up.
  std::vector<SecretAsks::Ask> secret_asks(OrderId order) const;
  // Hands sealed secrets to the node if it waits for them. Nothing of them is kept.
  SecretDelivery deliver_secrets(NodeId node, LeaseId lease, std::string sealed);
  // About once a second: gives up silent connections and repeats what a full queue refused.
  void tick();
  // Says goodbye to all; used at shutdown. Connections that end from then on are not held against
  // their nodes.
  void shut_down();

  // The node that a session token belongs to, while its connection stands; 0: none. For the
  // artifact store.
  NodeId node_of_token(std::string_view token) const;
  std::size_t sessions() const;
  // What waits for the market's log. Walks all sessions.
  struct Waiting {
    std::size_t reports = 0;  // of nodes, that the log has not taken yet
    std::size_t links = 0;    // nodes whose coming or going it has not taken yet
  };
  Waiting waiting() const;

 private:
  enum class Stage : std::uint8_t { kChallenged, kProving, kOpen, kLeaving };

  struct Session {
    Stage stage = Stage::kChallenged;
    bool by_market = false;  // that it ends is none of the node's doing
    std::string nonce;
    NodeId node;
    std::string node_key;
    bool takes_secrets = false;  // else its agent is of before there were any
    std::string token;
    Time heard_at;                   // monotonic
    std::uint64_t desired_sent = 0;  // revision
    Time desired_sent_at;            // monotonic
    bool desired_known = false;      // anything was sent at all
    std::size_t observed_in_flight = 0;
    v1::OwnerState owner = v1::OWNER_STATE_UNSPECIFIED;  // as last logged
    std::uint64_t revision_logged = 0;
    Time telemetry_at;               // monotonic, of the last that was kept
    Time telemetry_minute_at;        // and of the last minute
    Time owner_told_at;              // and of the last notes about the owner
    std::set<LeaseId> leases_known;  // that this node may write output for
    // Pieces that wait for the market to say so: what comes after them must not pass them.
    std::map<LeaseId, std::size_t> chunks_waiting;
  };

  struct Link {
    bool connected = false;
    bool by_market = false;  // it went by the market's doing
  };

  void prove(SessionId id, Session& session, const v1::Hello& hello);
  void proven(SessionId id, const v1::Hello& hello, const core::Machine& machine);
  void observed(SessionId id, Session& session, const v1::Observed& observed);
  void log_chunk(SessionId id, Session& session, v1::LogChunk chunk);
  void telemetry(Session& session, v1::Telemetry told);
  void ask_watched();
  void store_chunk(SessionId id, const v1::LogChunk& chunk);
  // What proofs follow of it.
  void take(const v1::Event& event, const core::Machine& machine);
  void send_desired(SessionId id, Session& session, const core::Machine& machine);
  // Some leases prove their devices first. Their nodes hear of nothing until that is in the log:
  // else they might have begun them.
  void draw_proof(LeaseId lease, const core::Machine& machine);
  void drawn(NodeId node, LeaseId lease, const core::Machine* market);
  // Takes out of the set what the agent would start without its secrets, and ends those leases.
  void refuse_secrets(const Session& session, const core::Machine& machine, v1::Desired& desired);
  // A desired set that was lost would leave a workload running where none is wanted.
  void repeat_lost_desired(SessionId id, Session& session, std::uint64_t acted_upon);
  void repeat_desired(SessionId id, Session& session);
  void say_goodbye(SessionId id, Session& session, std::string_view code, std::string message);
  // The same where the market is to blame.
  void turn_away(SessionId id, Session& session, std::string_view code, std::string message);
  void set_link(NodeId node, Link link);
  void flush_links();
  Session* find(SessionId id);

  HubPort& port_;
  const Clock& clock_;
  Random& random_;
  const HubLimits limits_;
  const VerifySignature verify_;

  mutable std::mutex mutex_;
  bool stopping_ = false;
  std::map<SessionId, Session> sessions_;  // at most sessions_max
  std::map<NodeId, SessionId> by_node_;    // the session that speaks for the node
  std::map<std::string, NodeId, std::less<>> by_token_;
  std::map<NodeId, Link> links_wanted_;  // to be logged; repeated until the engine takes it
  std::map<NodeId, std::size_t> drawn_;  // leases whose proofs are on their way into the log
  Proofs proofs_;
  SecretAsks secret_asks_;
};

}  // namespace fallow::server
