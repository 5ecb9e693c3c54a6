// Proofs inside leases: see proofs.h.
#include <algorithm>

#include "core/lease_proofs.h"
#include "server/proof_plan.h"
#include "server/proofs.h"

namespace fallow::server {

// Nobody can foresee it, and a lease that the provider rents himself is drawn like any other.
std::optional<v1::Command> Proofs::draw(LeaseId id, const core::Machine& machine) {
  const core::Lease* const lease = machine.lease(id);
  if (stopped_ || lease == nullptr || !peers_.contains(lease->node)) return std::nullopt;
  const core::Node* const node = machine.node(lease->node);
  Drawn drawn;
  drawn.devices = core::devices_to_prove(machine.policy(), *node, *lease);
  if (drawn.devices.empty() || !has_room(drawn.devices.size())) return std::nullopt;
  constexpr std::uint64_t kAll = 10'000;
  if (random_.below(kAll) >= machine.policy().lease_proof_basis_points()) return std::nullopt;
  random_.fill(drawn.seed);
  v1::Command command;
  command.mutable_start_proof()->set_node(node->id.value);
  command.mutable_start_proof()->set_seed(to_bytes(drawn.seed));
  command.mutable_start_proof()->set_lease(id.value);
  drawn_[id] = std::move(drawn);
  return command;
}

void Proofs::not_started(LeaseId lease) { drawn_.erase(lease); }

// The asks wait for the node's word that it can take them.
void Proofs::lease_started(const v1::ProofStarted& event, const core::Machine& machine) {
  const auto found = drawn_.find(LeaseId(event.lease()));
  if (found == drawn_.end()) return;
  const Drawn drawn = std::move(found->second);
  drawn_.erase(found);
  const core::Lease* const lease = machine.lease(LeaseId(event.lease()));
  // It may have ended within the batch that began it.
  if (lease == nullptr || lease->proof.value != event.proof()) return;
  const core::Node& node = *machine.node(lease->node);
  Run& run = runs_[{node.id, lease->id}];
  run.node = node.id;
  run.lease = lease->id;
  run.proof = lease->proof;
  const bool is_whole = lease->device_thousandths == core::kWholeDevice;
  for (const std::uint32_t device : drawn.devices) {
    run.seats[device].exam = std::make_shared<proof::Exam>(
        lease_plan_for(node.devices[device].facts, is_whole), drawn.seed, event.proof(), device);
  }
}

void Proofs::lease_ready(NodeId node, LeaseId lease) {
  const auto found = runs_.find({node, lease});
  const auto peer = peers_.find(node);
  if (found == runs_.end() || peer == peers_.end() || found->second.asked) return;
  Run& run = found->second;
  run.asked = true;
  run.session = peer->second.session;
  ask_all(run);
}

void Proofs::lease_over(NodeId node, LeaseId lease) { runs_.erase({node, lease}); }

// Who failed is asked for all of it soon: until then its devices are not verified.
void Proofs::close_lease(const Run& run) {
  const auto peer = peers_.find(run.node);
  const bool failed = std::any_of(run.seats.begin(), run.seats.end(), [](const auto& one) {
    return one.second.exam->result().outcome() != v1::PROOF_PASSED;
  });
  if (!failed || peer == peers_.end()) return;
  const Duration soon = limits_.idle + limits_.idle;
  if (peer->second.due_at > clock_.monotonic() + soon) plan(run.node, soon, false);
}

}  // namespace fallow::server
