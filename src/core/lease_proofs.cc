#include "core/lease_proofs.h"

#include <algorithm>
#include <string>

#include "base/cut.h"
#include "core/leases.h"
#include "core/proofs.h"
#include "core/query.h"
#include "core/reservation.h"

namespace fallow::core {
namespace {

// A proof in a lease asks for little: passed, it changes nothing of what the device has shown; not
// passed, the device is not verified until it has proven all of itself again.
void take_lease_result(Step& step, Node& node, const Lease& lease, const v1::ProofResult& result,
                       bool excused) {
  v1::Device& device = node.devices[result.device()].facts;
  if (result.outcome() != v1::PROOF_PASSED && !excused) {
    v1::DeviceProof& proof = *device.mutable_proof();
    // The rates are those of the last whole proof: it was slower than its model, not by how much.
    proof.set_state(result.outcome() == v1::PROOF_SLOW    ? v1::SLOW
                    : result.outcome() == v1::PROOF_WRONG ? v1::DISPROVEN
                                                          : v1::UNANSWERED);
    if (result.outcome() != v1::PROOF_SLOW) {
      proof.clear_speeds();
      proof.clear_memory_mb();
    }
    proof.set_misses(0);
    proof.set_at_us(step.now.us);
    proof.set_detail(std::string(cut(result.detail(), step.state.limits.detail_bytes_max)));
  }
  v1::DeviceChecked& told = *step.tell().mutable_device_checked();
  told.set_node(node.id.value);
  told.set_device(result.device());
  told.set_proof(lease.proof.value);
  told.set_outcome(result.outcome());
  *told.mutable_state() = device.proof();
  told.set_excused(excused);
  told.set_lease(lease.id.value);
}

void follow_lease_results(Step& step, Node& node) {
  note_shown_devices(step.state, node);
  step.state.book->update(node);
  touch_reservation(step.state, node.id);
}

bool is_of_lease(const Lease& lease, std::uint32_t device) {
  return std::find(lease.devices.begin(), lease.devices.end(), device) != lease.devices.end();
}

}  // namespace

std::vector<std::uint32_t> devices_to_prove(const v1::Policy& policy, const Node& node,
                                            const Lease& lease) {
  std::vector<std::uint32_t> places;
  const bool is_early = lease.state == v1::PLACED || lease.state == v1::STARTING;
  if (policy.proof_interval_us() == 0 || policy.lease_proof_basis_points() == 0 ||
      !node.facts.proves_in_leases() || !is_early || lease.started_at.us != 0 || lease.proof) {
    return places;
  }
  // A processor's proof takes the time of whatever runs beside it, as beside leases.
  const bool is_alone = node.leases.size() == 1;
  for (std::uint32_t place = 0; place < node.devices.size(); ++place) {
    const v1::Device& device = node.devices[place].facts;
    if (is_of_lease(lease, place) && is_verified(device) &&
        (device.kind() == v1::GPU || is_alone)) {
      places.push_back(place);
    }
  }
  return places;
}

void start_lease_proof(Step& step, Node& node, const v1::StartProof& command) {
  Lease* const lease = step.state.leases.find(LeaseId(command.lease()));
  if (lease == nullptr || lease->node != node.id || !is_open(*lease)) {
    return step.refuse(v1::NOT_FOUND, "lease", "no lease {} is open on node {}", command.lease(),
                       node.id.value);
  }
  if (devices_to_prove(step.state.policy, node, *lease).empty()) {
    return step.refuse(v1::NOT_ALLOWED, "lease", "lease {} has no device to prove before it begins",
                       command.lease());
  }
  lease->proof = step.next_id<ProofId>();
  ++node.desired_revision;
  step.entity = lease->proof.value;
  v1::ProofStarted& told = *step.tell().mutable_proof_started();
  told.set_node(node.id.value);
  told.set_proof(lease->proof.value);
  told.set_lease(lease->id.value);
}

void finish_lease_proof(Step& step, Node& node, const v1::FinishProof& command) {
  Lease* const lease = step.state.leases.find(LeaseId(command.lease()));
  if (lease == nullptr || lease->node != node.id || !lease->proof ||
      lease->proof.value != command.proof()) {
    return step.refuse(v1::STALE, "proof", "lease {} of node {} waits for no proof {}",
                       command.lease(), command.node(), command.proof());
  }
  if (!are_results(step, node, command.results())) return;
  for (const v1::ProofResult& result : command.results()) {
    if (is_of_lease(*lease, result.device())) continue;
    return step.refuse(v1::VALUE_INVALID, "results", "lease {} has not device {} of the node",
                       command.lease(), result.device());
  }
  if (command.results().empty()) {
    return step.refuse(v1::VALUE_INVALID, "results", "a lease's proof is of a device at least");
  }
  step.entity = lease->proof.value;
  // The stop has ended its sandbox, too, and goes on.
  const bool stops = lease->state == v1::STOPPING;
  std::string why;
  forget_shown_devices(step.state, node);
  for (const v1::ProofResult& result : command.results()) {
    take_lease_result(step, node, *lease, result, stops && result.outcome() == v1::PROOF_MISSED);
    if (result.outcome() == v1::PROOF_PASSED || !why.empty()) continue;
    why = fmt::format("device {} did not prove itself in the lease's sandbox: {}", result.device(),
                      result.detail());
  }
  follow_lease_results(step, node);
  lease->proof = ProofId();
  ++node.desired_revision;  // it may begin
  if (why.empty() || stops) return;
  // Its node was told not to begin it, so nothing of it is waited for.
  end_lease(step, *lease, v1::DEVICE_FAULT,
            {0, std::string(cut(why, step.state.limits.detail_bytes_max)), "", true});
}

bool says_it_ran(const v1::WorkloadReport& report) {
  const v1::EndReason reason = report.reason();
  return report.state() == v1::RUNNING || report.state() == v1::SUSPENDED ||
         !report.meters().empty() ||
         (report.state() == v1::ENDED && (reason == v1::COMPLETED || reason == v1::EXIT_CODE ||
                                          reason == v1::OUT_OF_MEMORY || reason == v1::TIME_LIMIT));
}

void drop_lease_proof(Step& step, Lease& lease, bool by_node) {
  Node& node = *step.state.nodes.find(lease.node);
  if (by_node && !node.removed) {
    forget_shown_devices(step.state, node);
    for (const std::uint32_t device : lease.devices) {
      if (!is_verified(node.devices[device].facts)) continue;
      v1::ProofResult missed;
      missed.set_device(device);
      missed.set_outcome(v1::PROOF_MISSED);
      missed.set_detail("the lease was over before its devices had proven themselves in it");
      take_lease_result(step, node, lease, missed, false);
    }
    follow_lease_results(step, node);
  }
  lease.proof = ProofId();
}

}  // namespace fallow::core
