// SimAgent: a provider's machine with the real reconciler on it. Its disk and its workloads outlive
// the agent's process; the disk outlives the machine's power.
//
// Owner: run_chaos; it stays where it is. One thread.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/reconciler.h"
#include "sim/sim_network.h"
#include "sim/sim_runtime.h"
#include "sim/sim_signer.h"
#include "sim/world.h"

namespace fallow::sim {

class SimAgent final : public AgentEnd {
 public:
  SimAgent(World& world, Watch& watch, SimNetwork& network, std::size_t index, v1::NodeFacts facts);
  SimAgent(const SimAgent&) = delete;
  SimAgent& operator=(const SimAgent&) = delete;

  // The node that the market knows this machine as; the agent starts. Whatever an earlier node of
  // this machine left is gone.
  void join(NodeId node);
  NodeId node() const { return node_; }
  const v1::NodeFacts& facts() const { return facts_; }
  const PublicKey& public_key() const { return signer_.public_key(); }

  // kill -9 of the agent: its workloads go on.
  void crash(Duration down);
  // The machine loses its power.
  void reboot(Duration down);
  // SIGSTOP: nothing is lost, everything waits.
  void freeze(Duration how_long);
  void set_owner(v1::OwnerState owner);
  // Sends the hub bytes that are no message.
  void send_garbage();

  bool is_running() const { return reconciler_ != nullptr; }
  // Left the market because its node was removed; join() brings it back.
  bool has_quit() const { return quit_; }
  // Nothing of any workload is left here.
  bool is_clean() const;

  void link_opened(ConnectionId id) override;
  void link_received(ConnectionId id, const std::string& bytes) override;
  void link_closed(ConnectionId id) override;

 private:
  agent::Now now() const;
  void start();
  // Runs `what` when the agent is awake, then whatever it calls for.
  void deliver(std::function<void()> what);
  void tell(const agent::RuntimeEvent& event);
  void act();
  // False: the agent crashed at it.
  bool perform(agent::Action& action);
  void plan_wake();
  void died();

  World& world_;
  SimNetwork& network_;
  const std::size_t index_;
  const v1::NodeFacts facts_;
  const SimSigner signer_;
  MachineClock clock_;
  const Duration wall_off_;  // its wall clock is wrong by this much

  NodeId node_;
  bool quit_ = false;
  v1::OwnerState owner_ = v1::OWNER_AWAY;
  SimRuntime runtime_;
  std::map<LeaseId, std::string> disk_;  // encoded records of its workloads
  bool same_boot_ = true;                // as the records on the disk

  std::unique_ptr<agent::Reconciler> reconciler_;
  std::uint64_t life_ = 0;  // of the agent's process: what an earlier one planned is void
  ConnectionId connection_ = 0;
  Time frozen_until_;
  std::deque<std::function<void()>> waiting_;  // while frozen; what a minute brings
  std::deque<agent::RuntimeEvent> waiting_events_;
  Time wake_at_;  // the world's, planned; 0: none
};

}  // namespace fallow::sim
