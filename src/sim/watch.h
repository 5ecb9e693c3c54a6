// Watch: the invariants of the whole system that no single part can see.
//
// It sees everything at once: every process as it truly runs on every node, every command and
// event of the market. It holds that
//   - no task runs twice at the same time, and no workload beyond its fence;
//   - no device carries more than it has;
//   - a task begins with the last checkpoint that was accepted, which no former lease brings back;
//   - no lease proves more time than its process ran, and none is charged beyond what it proved;
//   - what a process ran after the faults is proven when it ends by itself, up to one interval;
//   - no order is charged above its budget or its quote, and none is accepted twice;
//   - what was answered is never lost.
// A violation fails the world. Owner: run_chaos; one thread.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/machine.h"
#include "engine/batch.h"
#include "fallow/v1/agent.pb.h"
#include "sim/world.h"

namespace fallow::sim {

// The longest silence that the operator ever allows a node.
constexpr Duration kCloseAfterMax = seconds(40);

// What the market agreed to, as the renter knows it.
struct Bound {
  std::string name;
  std::int64_t budget_micros_max = 0;  // 0: none given
  std::int64_t quote_micros = 0;       // 0: no quote
};

// A simulated workload's checkpoint: which saving of which lease it is.
struct SimCheckpoint {
  std::uint64_t order = 0;
  std::uint32_t task = 0;
  LeaseId lease;
  std::uint64_t saves = 0;
  auto operator<=>(const SimCheckpoint&) const = default;
};
// As a manifest's digest, and back.
std::string checkpoint_of(const SimCheckpoint& checkpoint);
SimCheckpoint checkpoint_of(const std::string& manifest);

class Watch {
 public:
  explicit Watch(World& world) : world_(world) {}

  // Truth from the nodes.
  void process_started(std::size_t agent, const v1::DesiredLease& desired);
  void process_suspended(LeaseId lease, bool suspended);
  void process_ended(LeaseId lease);
  std::size_t processes() const { return live_.size(); }

  // What the market did. Replayed commands are not told again.
  void on_batch(const engine::Batch& batch, const core::Machine& machine);
  // A person has received the answer to the command at `index`.
  void answered(LogIndex index);
  // The server has come up again with this log.
  void recovered(LogIndex last);
  // An order is about to be submitted under this unique name.
  void ordered(const Bound& bound);
  // From now on nothing keeps a node from being paid for what runs on it.
  void faults_are_over();

  std::map<v1::EndReason, std::uint64_t> endings() const { return endings_; }
  std::uint64_t leases() const { return leases_; }
  std::uint64_t orders_accepted() const { return orders_accepted_; }
  std::uint64_t orders_ended() const { return orders_ended_; }
  std::uint64_t meters() const { return meters_; }

 private:
  using TaskKey = std::pair<std::uint64_t, std::uint32_t>;  // order, task

  struct Process {
    std::size_t agent = 0;
    TaskKey task;
    std::vector<std::uint32_t> devices;
    std::uint32_t share = 0;
  };
  struct Ran {
    Duration ran;
    Time since;  // 0: not running now
  };
  struct Ended {
    Time at;  // the world's
    v1::EndReason reason = v1::END_REASON_UNSPECIFIED;
  };

  Duration truth(LeaseId lease) const;
  void see_paid(const v1::LeaseEnded& ended);
  void see(const engine::Applied& applied, const core::Machine& machine);
  void see_extended(const v1::OrderExtended& extended);
  void see_lease_ended(const v1::LeaseEnded& ended, const engine::Applied& applied);
  void see_checkpoint(const v1::CheckpointTaken& taken);
  void see_meters(const engine::Applied& applied);
  void see_refusal(const v1::Refused& refused);

  World& world_;
  std::uint64_t batches_ = 0;
  std::map<LeaseId, Process> live_;
  std::map<LeaseId, Ran> ran_;                  // of leases that are open or have a process
  std::map<LeaseId, Ended> ended_;              // leases the market ended; as many as the run makes
  std::map<std::string, Bound> bounds_;         // by the order's name; as many as the run makes
  std::map<std::uint64_t, std::string> names_;  // of accepted orders
  std::set<std::string> accepted_;
  std::map<TaskKey, SimCheckpoint> checkpoints_;  // the last accepted
  LogIndex answered_;
  std::map<LeaseId, std::uint32_t> sequences_;  // the last accepted meter record's
  std::map<LeaseId, v1::LeaseState> states_;
  std::map<LeaseId, Duration> proven_;  // of open leases
  std::map<LeaseId, Duration> unpaid_;  // what had run as the faults were over, and was not proven
  bool faults_are_over_ = false;
  std::map<v1::EndReason, std::uint64_t> endings_;
  std::uint64_t leases_ = 0;
  std::uint64_t orders_accepted_ = 0;
  std::uint64_t orders_ended_ = 0;
  std::uint64_t meters_ = 0;
};

}  // namespace fallow::sim
