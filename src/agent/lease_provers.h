// LeaseProvers: proofs inside leases. The process that proves (agent/prove.h) runs in a sandbox
// made as the lease's own is: of the same kind, with the lease's devices and no others; before the
// workload, which begins only once that sandbox is gone.
//
// It is a workload of the runtime's with an id of its own, so that it has a supervisor, limits and
// a fence; one that a dead agent left behind is a lease without a record, which the next one
// removes.
//
// One thread, the agent's; no call waits.
#pragma once

#include <poll.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "agent/launch.h"
#include "agent/proof_talk.h"
#include "agent/runtime.h"
#include "base/file.h"
#include "fallow/v1/agent.pb.h"

namespace fallow::agent {

class LeaseProvers {
 public:
  // Both outlive it.
  LeaseProvers(Runtime& runtime, const std::vector<LocalDevice>& devices)
      : runtime_(runtime), devices_(devices) {}

  // Of a lease whose devices are free for it; its first ask begins the sandbox.
  void ask(const v1::ProofAsk& ask, const v1::DesiredLease& desired);
  void refuse(const v1::ProofAsk& ask, const std::string& why);
  // Begins what waits, unless other processes may still hold its devices, and kills again what does
  // not die.
  void step(bool devices_are_free, Time now);
  // Is it about such a sandbox? Then it is done with.
  bool happened(const RuntimeEvent& event);
  static bool is_prover(LeaseId lease) { return (lease.value & kProverBit) != 0; }

  // Nobody waits for its answers any more, or others need the devices.
  void end(LeaseId lease, const std::string& why);
  void end_all(const std::string& why);
  // What was asked and is not ended: lease and proof.
  std::vector<std::pair<LeaseId, std::uint64_t>> asked() const;
  // Its devices are not free yet.
  bool holds(LeaseId lease) const { return trials_.contains(lease); }

  std::vector<v1::ProofAnswer> take_answers();
  void add_polled(std::vector<pollfd>& polled) const;
  // When step() has something to do again; kNever: nothing.
  Time next_deadline(Time now) const;

 private:
  static constexpr std::uint64_t kProverBit = std::uint64_t{1} << 63U;
  enum class Stage : std::uint8_t { kWaiting, kStarting, kOpen, kEnding };
  struct Trial {
    v1::DesiredLease desired;
    std::uint64_t proof = 0;
    Stage stage = Stage::kWaiting;
    ProofTalk talk;                    // by the devices' places in the lease
    std::vector<v1::ProofAsk> unsent;  // until the sandbox is there; at most one a device
    Fd channel;
    Time kill_at;
  };

  static LeaseId prover_of(LeaseId lease) { return LeaseId(lease.value | kProverBit); }
  Result<LaunchSpec> spec_of(const Trial& trial, LeaseId lease, Time now) const;
  Status start(Trial& trial, LeaseId lease, Time now);
  void open(Trial& trial, LeaseId lease);
  void kill(Trial& trial, LeaseId lease, const std::string& why);
  void take(Trial& trial);

  Runtime& runtime_;
  const std::vector<LocalDevice>& devices_;
  std::map<LeaseId, Trial> trials_;  // at most as many as leases
  std::vector<v1::ProofAnswer> answers_;
};

}  // namespace fallow::agent
