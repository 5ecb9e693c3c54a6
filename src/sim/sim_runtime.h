// SimRuntime: the sandboxes of one simulated machine. Their supervisors outlive the agent, keep
// what happened for the next one, and kill at the fence by themselves.
//
// A workload's command says how it behaves: {"sim", KIND, MILLISECONDS}; see Behaviour. Owner:
// SimMachine; one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "agent/actions.h"
#include "sim/watch.h"
#include "sim/world.h"

namespace fallow::sim {

enum class Behaviour : std::uint8_t {
  kDone,       // exits with 0
  kFails,      // exits with 1
  kCrashes,    // ends by a signal of its own
  kHangs,      // never ends
  kEats,       // passes its memory limit
  kFillsDisk,  // passes its disk limit
  kStubborn,   // never ends, and ignores SIGTERM
  kNoStart,    // its sandbox cannot be made
  kBadInput,   // its input is not what it should be
  kNoOutput,   // exits with 0, and its outputs cannot be brought
};
constexpr std::uint64_t kBehaviours = 10;

v1::Workload workload_of(Behaviour behaviour, Duration runs);

// The monotonic clock of one machine: it drifts, and starts anew with the machine.
struct MachineClock {
  Time booted;  // the world's
  std::int64_t drift_ppm = 0;
  Time at(Time world) const;
  Time world_at(Time monotonic) const;  // not before that moment
};

class SimRuntime {
 public:
  // `tell` receives what happens, on events of their own, while there is an agent to hear it.
  SimRuntime(World& world, Watch& watch, std::size_t agent, const MachineClock& clock,
             std::function<void(const agent::RuntimeEvent&)> tell)
      : world_(world), watch_(watch), agent_(agent), clock_(clock), tell_(std::move(tell)) {}

  void prepare(const v1::DesiredLease& desired);
  void start(const v1::DesiredLease& desired, Time fence_at);
  void extend(LeaseId lease, Time fence_at);
  void suspend(LeaseId lease);
  void resume(LeaseId lease);
  void stop(LeaseId lease);
  void kill(LeaseId lease);
  void save(LeaseId lease);
  // `collect.checkpoint`: a last saving comes first, and none that runs is answered any more.
  void collect(const agent::Collect& collect, const v1::DesiredLease& desired);
  void forget(LeaseId lease);

  // Everything that its supervisor has seen since the start. Empty: no process was ever made.
  std::vector<agent::RuntimeEvent> seen(LeaseId lease) const;
  // Until when its supervisor lets it run.
  Time fence_of(LeaseId lease) const;
  // The machine lost its power: every process is gone without a trace.
  void lose_power();
  // The agent died: what it was doing itself is broken off.
  void agent_died() { ++generation_; }

 private:
  struct Process {
    v1::DesiredLease desired;
    bool alive = false;
    bool suspended = false;
    Duration left;           // running time until it ends by itself
    Time since;              // running since, the world's
    Time fence_at;           // the machine's
    std::uint64_t plan = 0;  // what was planned before the last change is void
    std::uint64_t saves = 0;
    std::uint64_t save_plan = 0;  // likewise, of savings
    std::vector<agent::RuntimeEvent> seen;
  };

  void plan_save(LeaseId lease, bool is_last);
  void plan_end(LeaseId lease, Process& process);
  void plan_fence(LeaseId lease, Process& process);
  void ended(LeaseId lease, Process& process, agent::ExitCause cause, int exit_code, int signal);
  void tell_later(agent::RuntimeEvent event);

  World& world_;
  Watch& watch_;
  const std::size_t agent_;
  const MachineClock& clock_;
  const std::function<void(const agent::RuntimeEvent&)> tell_;
  std::map<LeaseId, Process> processes_;  // until forgotten
  std::uint64_t generation_ = 0;          // of the agent
};

}  // namespace fallow::sim
