// What the agent is made of, for its own files: agent.cc turns the loop, agent_adopt.cc takes over
// what an earlier agent left, agent_actions.cc does what the reconciler asks, agent_logs.cc brings
// logs and ends to the market.
//
// One thread, but for `stopping` and `wake`.
#pragma once

#include <spdlog/spdlog.h>

#include <atomic>
#include <ctime>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/agent.h"
#include "agent/inbox.h"
#include "agent/log_pump.h"
#include "agent/notes.h"
#include "agent/owner_file.h"
#include "agent/owner_watch.h"
#include "agent/proof_runner.h"
#include "agent/reconciler.h"
#include "agent/state_store.h"
#include "agent/transfers.h"
#include "base/file.h"

namespace fallow::agent {

Time read_clock(clockid_t clock);
Now read_now();

template <class... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};
template <class... Handlers>
Overloaded(Handlers...) -> Overloaded<Handlers...>;

struct Agent::Impl {
  Impl(AgentOptions given, Runtime& the_runtime, HubLink& the_link, FolderStore& store,
       Random& random, StateStore the_states, OwnerFile the_owner, Notes the_notes, Fd the_lock);

  SessionOptions session_options() const;

  void adopt();
  AgentEnd run();
  void take_everything();
  void hear_owner();
  v1::OwnerState owner_state();
  void hear_link();
  void note_sleep();
  void hear_transfers();
  void tell(const RuntimeEvent& event);
  void tell_prepared();
  void act(std::vector<Action> actions);
  void start(const Start& action);
  Result<LaunchSpec> ready_spec(const Start& action) const;
  void prepare(const Prepare& action);
  void stop(const Stop& action);
  void save(LeaseId lease, bool is_last);
  void open_tunnel(const v1::OpenTunnel& asked);
  void connect();
  bool send(const v1::AgentMessage& message);
  void prove(const v1::ProofAsk& ask);
  void send_proofs();
  void pump_logs();
  void finish_collections();
  void finish_forgetting();
  int poll_ms() const;
  std::string read_log(LeaseId lease, v1::LogStream stream, std::uint64_t offset,
                       std::size_t bytes_max) const;

  // A workload that is gone and whose logs and outputs are on their way.
  struct Collection {
    std::optional<RuntimeEvent> outputs;  // the answer, once it is known
    bool saving = false;                  // its last checkpoint is still on its way
    Time until;
  };

  AgentOptions options;
  Runtime& runtime;
  HubLink& link;
  StateStore states;
  OwnerFile owner;
  Notes notes;
  Fd lock;
  Fd wake;
  KeySigner signer;
  Reconciler reconciler;
  LogPump pump;
  Transfers transfers;
  ProofRunner proofs;
  std::shared_ptr<Inbox> inbox = std::make_shared<Inbox>();

  std::map<LeaseId, Collection> collections;
  std::map<LeaseId, Time> forgetting;   // until when its logs are waited for
  std::deque<RuntimeEvent> own_events;  // answers to actions that failed or were done at once
  std::vector<Prepared> prepared;       // to be told once no proof holds the devices
  Time logs_blocked_until{};
  bool more_logs = false;        // the last turn ended before the logs did
  bool link_open = false;        // open() was called and closed() has not come
  bool connect_pending = false;  // connect as soon as it has
  bool was_ready = false;
  std::string token;
  Duration slept_before{};  // CLOCK_BOOTTIME less CLOCK_MONOTONIC
  std::atomic<bool> stopping = false;
  bool removed = false;
};

}  // namespace fallow::agent
