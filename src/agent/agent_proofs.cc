// The devices' proofs: those of idle ones, and those inside leases.
#include <utility>

#include "agent/agent_impl.h"

namespace fallow::agent {

// A proof takes all of a device: it is for idle ones, and ends when a lease is first heard of. No
// workload begins before the process that proved is gone, and its devices' memory is free.
void Agent::Impl::prove(const v1::ProofAsk& ask) {
  if (ask.lease() != 0) return prove_in_lease(ask);
  if (reconciler.has_work_on(ask.device())) {
    proofs.refuse(ask, "the device has work to do");
  } else {
    proofs.ask(ask);
  }
}

void Agent::Impl::prove_in_lease(const v1::ProofAsk& ask) {
  const LeaseId lease(ask.lease());
  if (!reconciler.may_prove(lease, ask.proof(), read_now())) {
    return lease_provers.refuse(ask, "the lease is not one whose devices can be proven now");
  }
  lease_provers.ask(ask, reconciler.workloads().at(lease).record.desired);
}

// Before the reconciler's step: what it may begin depends on it.
void Agent::Impl::tend_lease_proofs() {
  const Now now = read_now();
  for (const auto& [lease, proof] : lease_provers.asked()) {
    if (!reconciler.may_prove(lease, proof, now)) {
      lease_provers.end(lease, "the lease's devices are not to be proven any more");
    }
  }
  lease_provers.step(!proofs.is_ending(), now.monotonic);
  for (const auto& [lease, entry] : reconciler.workloads()) {
    const bool holds = lease_provers.holds(lease);
    if (holds != entry.held) reconciler.set_held(lease, holds);
  }
}

void Agent::Impl::send_proofs() {
  const auto send_all = [this](std::vector<v1::ProofAnswer> answers) {
    for (v1::ProofAnswer& answer : answers) {
      v1::AgentMessage message;
      *message.mutable_proof_answer() = std::move(answer);
      send(message);
    }
  };
  send_all(proofs.take_answers());
  send_all(lease_provers.take_answers());
}

}  // namespace fallow::agent
