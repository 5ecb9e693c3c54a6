// Proofs: which nodes are asked to prove their devices, when, and how their answers are followed to
// an outcome in the log.
//
// A node is asked soon after it connects, and then at moments of chance, about once per
// policy.proof_interval_us; those of one provider, and a few of chance, at the same moment, so that
// one device cannot stand for two nodes. All devices of a node are asked at once, or beside leases
// those that stand idle (core/proofs.h): what was left out is asked soon after its lease. A miss or
// a slow answer is followed by another proof soon, at most twice in a row.
//
// Some leases, which chance draws, begin only once their verified devices have proven themselves in
// their sandboxes: a smaller proof, beside what else the node is asked (core/lease_proofs.h).
//
// Owner: the hub, whose lock is held in every call and taken by what is handed to the port. Answers
// are checked off that lock, by HubPort::work().
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/env.h"
#include "base/types.h"
#include "core/machine.h"
#include "fallow/v1/agent.pb.h"
#include "proof/exam.h"
#include "server/hub_port.h"

namespace fallow::server {

struct ProofLimits {
  std::size_t runs_max = 256;     // nodes that prove at once
  std::size_t devices_max = 512;  // of theirs: an answer that is not judged yet has up to 2 MiB
  std::size_t round_max = 64;     // that begin at the same moment
  std::size_t strangers = 8;      // of them by chance, where the interval began the round
  std::size_t node_bytes_max = std::size_t{64} << 20U;  // of a node's answers that are not judged
  Duration first_max = seconds(5);                      // from the connection on, about
  Duration retry_max = minutes(1);                      // after a miss or a slow answer, about
  Duration idle = minutes(1);  // until a busy node is looked at anew, and from a lease's end on
  Duration start_wait_max = seconds(30);  // for the log to take the beginning of a proof
};

class Proofs {
 public:
  // All outlive it. `mutex`: the hub's.
  Proofs(HubPort& port, const Clock& clock, Random& random, std::mutex& mutex,
         ProofLimits limits = {});

  // The policy's; 0, as at the beginning: nobody is asked, and no chance is drawn.
  void set_interval(Duration interval);
  // The node's present connection, and its end.
  void opened(NodeId node, AccountId provider, SessionId session);
  void closed(NodeId node);
  // On the market thread: a proof stands in the log, so the node may be asked.
  void started(const v1::ProofStarted& event, const core::Machine& machine);
  // Answers to anything but the present ask are nothing: they move no clock.
  void answered(NodeId node, v1::ProofAnswer answer);
  // Of a lease that was just placed: the command by which it is asked, if chance has drawn it. Its
  // node must not hear of the lease before started() or not_started().
  std::optional<v1::Command> draw(LeaseId lease, const core::Machine& machine);
  void not_started(LeaseId lease);
  // The node says that the lease's devices can be asked.
  void lease_ready(NodeId node, LeaseId lease);
  void lease_over(NodeId node, LeaseId lease);
  // The agent clears up these devices of the lease for a while yet, and would refuse a proof.
  void lease_ended(NodeId node, std::span<const std::uint32_t> devices);
  // For good: every proof is dropped as it stands, and no node is to blame.
  void shut_down();
  // About once a second.
  void tick();
  // For tests.
  std::size_t running() const { return runs_.size(); }

 private:
  // One device under proof. While a job judges, nobody else touches the exam.
  struct Seat {
    std::shared_ptr<proof::Exam> exam;
    bool judging = false;
    std::shared_ptr<const v1::ProofAnswer> waiting;  // came, and the workers were busy
    std::size_t held_bytes = 0;                      // of what waits or is judged
    Time came_at;
  };
  struct Run {
    NodeId node;
    LeaseId lease;  // before which it runs; 0: none
    ProofId proof;
    SessionId session;                    // that is asked: another one of the node's is not
    std::map<std::uint32_t, Seat> seats;  // by device, those that are asked
    bool asked = false;                   // else a lease's that is not ready yet
    bool leaves_idle_out = false;         // a device that it leaves out is idle, or became so
    bool closed = false;                  // all seats are over, and what follows was done
    bool handed_in = false;               // the outcome is on its way into the log
  };
  struct Peer {
    SessionId session;
    AccountId provider;
    Time due_at;
    bool by_interval = false;  // that is when it is due, and not for a reason of its own
    Time settled_at;           // before it the agent clears up after a lease
    std::map<std::uint32_t, Time> settled;  // the same by device, of those that were leased
    std::set<std::uint32_t> left_out;       // of the last proof: leased, or not yet settled
    std::uint32_t failures = 0;             // proofs in a row that are to be repeated soon
  };
  struct Pending {
    Digest seed{};
    Time since;
    std::size_t devices = 0;
  };
  // A lease that is to be asked, until that is in the log.
  struct Drawn {
    Digest seed{};
    std::vector<std::uint32_t> devices;
  };
  using RunKey = std::pair<NodeId, LeaseId>;

  void plan(NodeId node, Duration about, bool by_interval);
  void begin_round(const core::Machine& machine);
  bool is_settled(const core::Machine& machine, const core::Node& node, std::uint32_t device) const;
  std::vector<std::uint32_t> devices_to_ask(const core::Machine& machine,
                                            const core::Node& node) const;
  std::set<NodeId> choose_round();
  std::size_t devices_proving() const;
  void begin(NodeId node, std::size_t devices);
  void lease_started(const v1::ProofStarted& event, const core::Machine& machine);
  bool has_room(std::size_t devices) const;
  void ask(const Run& run, Seat& seat);
  void ask_all(Run& run);
  void judge(Run& run, std::uint32_t device);
  void judged(NodeId node, ProofId proof, std::uint32_t device, bool taken);
  void add_strangers(std::set<NodeId>& round);
  bool is_present(const Run& run) const;
  void close(Run& run);
  void close_lease(const Run& run);
  // `run` may be gone afterwards.
  void finish_if_over(Run& run);
  Run* find(NodeId node, ProofId proof);
  std::vector<std::pair<NodeId, ProofId>> running_on(NodeId node) const;

  HubPort& port_;
  const Clock& clock_;
  Random& random_;
  std::mutex& mutex_;
  const ProofLimits limits_;
  std::map<NodeId, Peer> peers_;                        // as many as sessions
  std::set<std::pair<AccountId, NodeId>> by_provider_;  // likewise
  std::set<std::pair<Time, NodeId>> due_;               // of every peer, while there is an interval
  std::map<NodeId, Pending> pending_;                   // handed to the engine, not yet in the log
  std::map<LeaseId, Drawn> drawn_;                      // likewise, of leases
  std::map<RunKey, Run> runs_;  // all three: at most runs_max, of devices_max
  Duration interval_;
  bool stopped_ = false;
  bool reading_ = false;  // a look at the market is under way
};

}  // namespace fallow::server
