// SimServer: the market's server: the real sequencer, machine and hub over a simulated disk. What a
// crash leaves is the disk: the log and the snapshots.
//
// Owner: run_chaos; it stays where it is. One thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "engine/recovery.h"
#include "engine/sequencer.h"
#include "log/memory_snapshots.h"
#include "server/hub.h"
#include "sim/naive_ledger.h"
#include "sim/naive_matcher.h"
#include "sim/sim_log.h"
#include "sim/sim_network.h"
#include "sim/watch.h"
#include "sim/world.h"

namespace fallow::sim {

class SimServer final : public server::HubPort, public ServerEnd, public engine::Subscriber {
 public:
  SimServer(World& world, Watch& watch, SimNetwork& network, v1::Found found);
  SimServer(const SimServer&) = delete;
  SimServer& operator=(const SimServer&) = delete;

  // Recovers from the disk and opens for business.
  void start();
  // kill -9: now, or half of the time while the next entry is on its way to the disk.
  void crash(Duration down);
  // SIGTERM: finishes what is in flight.
  void stop(Duration down);
  void fill_disk(Duration how_long);
  void set_clock_back(Duration by);
  void set_clock_forward(Duration by);
  // A second reader of the log makes a snapshot, and must come to the same state.
  void take_snapshot();
  bool is_up() const { return sequencer_ != nullptr; }

  // As the API hands a command over. False: the server is down, or takes nothing more now.
  bool submit_command(const v1::Command& command, engine::Completion done);
  // Looks at the market between two batches. Null when the server is down.
  const core::Machine* machine() const { return machine_.get(); }
  const SimClock& clock() const { return clock_; }
  // Of the whole log, and the market at its end.
  Digest digest();
  std::uint64_t commands() const { return commands_; }
  log::LogReader& log() { return log_; }

  // server::HubPort
  void send(server::SessionId session, const v1::HubMessage& message) override;
  void close(server::SessionId session) override;
  Status submit(const v1::Command& command, server::Stored stored) override;
  bool read(std::function<void(const core::Machine&)> visit) override;
  bool work(std::function<void()> job) override;
  std::uint64_t store_log(const v1::LogChunk& chunk) override;
  // What is measured is not simulated, either.
  void keep_telemetry(NodeId /*node*/, v1::Telemetry /*telemetry*/) override {}
  std::vector<NodeId> nodes_watched() override { return {}; }

  // ServerEnd
  bool accepts() const override { return is_up(); }
  void link_opened(ConnectionId id) override;
  void link_received(ConnectionId id, const std::string& bytes) override;
  void link_closed(ConnectionId id) override;

  // engine::Subscriber
  std::string_view name() const override { return "the simulator"; }
  std::optional<LogIndex> cursor() const override { return seen_; }
  void on_batch(const engine::Batch& batch, const core::Machine& machine) override;

 private:
  Status take(const v1::Command& command, engine::Completion done);
  void open_market(bool is_new);
  void down();
  // Plans the next look at what waits, at once or when something is due.
  void wake();
  void work();
  void plan_tick();
  void damage_snapshot();

  World& world_;
  Watch& watch_;
  SimNetwork& network_;
  const v1::Found found_;
  const core::Limits limits_;
  SimClock clock_;
  SimLog log_;
  log::MemorySnapshots snapshots_{2};
  NaiveLedger naive_ledger_;
  NaiveMatcher naive_matcher_;

  std::unique_ptr<core::Machine> machine_;
  std::unique_ptr<engine::Sequencer> sequencer_;
  std::unique_ptr<server::Hub> hub_;
  std::uint64_t life_ = 0;  // what an earlier start planned is void
  std::size_t ahead_ = 0;   // batches in the log that are not applied
  std::optional<Duration> crash_at_append_;
  Time wake_at_;   // planned; 0: none
  LogIndex seen_;  // by the models, which outlive the server
  std::uint64_t commands_ = 0;
};

}  // namespace fallow::sim
