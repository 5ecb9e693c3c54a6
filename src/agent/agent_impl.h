// What the agent is made of, for its own files: agent.cc turns the loop, agent_adopt.cc takes over
// what an earlier agent left, agent_actions.cc does what the reconciler asks, agent_secrets.cc gets
// what leases need of their renters, agent_proofs.cc has devices proven, agent_logs.cc brings logs
// and ends to the market, agent_telemetry.cc measures.
//
// One thread, but for `stopping`, `wake`, metrics() and what that names.
#pragma once

#include <spdlog/spdlog.h>

#include <atomic>
#include <condition_variable>
#include <ctime>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/agent.h"
#include "agent/device_watch.h"
#include "agent/energy_book.h"
#include "agent/inbox.h"
#include "agent/lease_provers.h"
#include "agent/log_pump.h"
#include "agent/notes.h"
#include "agent/owner_file.h"
#include "agent/owner_notes.h"
#include "agent/owner_watch.h"
#include "agent/proof_runner.h"
#include "agent/reconciler.h"
#include "agent/state_store.h"
#include "agent/telemetry_sums.h"
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
  void tell_owner();
  void hear_link();
  void note_sleep();
  void hear_transfers();
  void tell(const RuntimeEvent& event);
  void tell_prepared();
  void act(std::vector<Action> actions);
  void start(const Start& action);
  Result<LaunchSpec> ready_spec(const Start& action) const;
  void prepare(const Prepare& action);
  void ask_for_secrets(const v1::DesiredLease& desired);
  void hear_secrets(const v1::SealedSecrets& sent);
  void tend_secrets();
  void stop(const Stop& action);
  void save(LeaseId lease, bool is_last);
  void open_tunnel(const v1::OpenTunnel& asked);
  void connect();
  bool send(const v1::AgentMessage& message);
  void prove(const v1::ProofAsk& ask);
  void prove_in_lease(const v1::ProofAsk& ask);
  void tend_lease_proofs();
  void send_proofs();
  void watch_telemetry(const v1::WatchTelemetry& watch);
  void hear_devices();
  void measure();
  void note_energy(const std::vector<v1::DeviceSample>& devices, Duration span);
  void store_energy();
  void tell_telemetry(const v1::TelemetrySample* sample,
                      const std::optional<v1::TelemetryMinute>& minute);
  std::string metrics();  // any thread
  void pump_logs();
  void hear_log_ack(const v1::LogAck& ack);
  void finish_collections();
  // Its program ended with an error: that may turn out to be its device's.
  bool has_failed(LeaseId lease) const;
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
  SecretDesk secrets;
  LogPump pump;
  Transfers transfers;
  ProofRunner proofs;
  LeaseProvers lease_provers;
  DeviceWatch device_watch;
  TelemetrySums sums;
  EnergyBook energy;
  std::shared_ptr<Inbox> inbox = std::make_shared<Inbox>();

  std::map<LeaseId, Collection> collections;
  std::map<LeaseId, Time> forgetting;   // until when its logs are waited for
  std::deque<RuntimeEvent> own_events;  // answers to actions that failed or were done at once
  std::vector<Prepared> prepared;       // to be told once no proof holds the devices
  Time logs_blocked_until{};
  Time release_logs_at = kNever;  // those that the market could not take
  Duration log_again{};           // how long such ones wait the next time
  bool more_logs = false;         // the last turn ended before the logs did
  bool link_open = false;         // open() was called and closed() has not come
  bool connect_pending = false;   // connect as soon as it has
  bool was_ready = false;
  std::string token;
  Duration slept_before{};  // CLOCK_BOOTTIME less CLOCK_MONOTONIC
  std::atomic<bool> stopping = false;
  bool removed = false;

  OwnerNotes owner_notes;
  Time owner_told_at{};

  bool measures = false;  // somebody watches, or a lease runs
  bool runs = false;      // a lease did at the last look
  Time measure_at{};
  Time measured_at{};
  Time watched_until{};
  std::atomic<std::int64_t> scraped_until_us = 0;
  std::mutex metrics_mutex;  // of the three
  std::condition_variable metrics_fresh;
  v1::TelemetrySample metrics_sample;
  Time metrics_at{};
};

}  // namespace fallow::agent
