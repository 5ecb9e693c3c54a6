#include "core/proofs.h"

#include <algorithm>

#include "base/cut.h"
#include "core/authority.h"
#include "core/checks.h"
#include "core/handlers.h"
#include "core/lease_proofs.h"
#include "core/nodes.h"
#include "core/query.h"
#include "core/reservation.h"
#include "core/turns.h"

namespace fallow::core {
namespace {

bool has_shown(const v1::Device& device) {
  const v1::ProofState state = device.proof().state();
  return state == v1::PROVEN || state == v1::SLOW || state == v1::LAPSED;
}

bool shows(const Node& node, const v1::Device& device, const v1::Device* but) {
  return std::any_of(node.devices.begin(), node.devices.end(), [&](const NodeDevice& own) {
    return &own.facts != but && own.facts.uuid() == device.uuid() && has_shown(own.facts);
  });
}

// Another node, or another place of the node, that has shown this very device.
const Node* who_shows(const MarketState& state, const Node& node, const v1::Device& device) {
  if (!is_one_of_its_kind(device)) return nullptr;
  if (shows(node, device, &device)) return &node;
  const auto found = state.shown_devices.find(device.uuid());
  if (found == state.shown_devices.end() || found->second == node.id) return nullptr;
  const Node* const other = state.nodes.find(found->second);
  return other != nullptr && !other->removed && shows(*other, device, nullptr) ? other : nullptr;
}

// Says whether it was so old. One that is asked as often as it should be never is.
bool lapse_if_old(v1::DeviceProof& proof, const v1::Policy& policy, Time now) {
  if (!policy.firm_proofs() || policy.proof_interval_us() == 0) return false;
  if (proof.state() != v1::PROVEN) return false;
  const Duration kept = Duration(2 * policy.proof_interval_us()) + kProofSlack;
  if (now.us - proof.at_us() <= kept.value) return false;
  proof.set_state(v1::LAPSED);
  proof.set_detail("its last proof is older than two intervals: it is asked again once it is idle");
  return true;
}

// Of a checked command.
void take_result(Step& step, Node& node, const v1::ProofResult& result) {
  NodeDevice& known = node.devices[result.device()];
  v1::Device& device = known.facts;
  v1::DeviceProof& proof = *device.mutable_proof();
  v1::ProofOutcome outcome = result.outcome();
  std::string detail(cut(result.detail(), step.state.limits.detail_bytes_max));
  const bool shown = outcome == v1::PROOF_PASSED || outcome == v1::PROOF_SLOW;
  if (const Node* const other = shown ? who_shows(step.state, node, device) : nullptr) {
    outcome = v1::PROOF_WRONG;
    detail = fmt::format("node {} has shown the device {}", other->id.value, device.uuid());
  }
  const bool excused = outcome == v1::PROOF_MISSED && node.proof_disturbed;
  if (outcome != v1::PROOF_MISSED) {
    proof.set_state(outcome == v1::PROOF_PASSED ? v1::PROVEN
                    : outcome == v1::PROOF_SLOW ? v1::SLOW
                                                : v1::DISPROVEN);
    proof.set_misses(0);
    proof.clear_speeds();
    if (result.has_speeds() && outcome != v1::PROOF_WRONG)
      *proof.mutable_speeds() = result.speeds();
    proof.set_memory_mb(outcome == v1::PROOF_WRONG ? 0 : result.memory_mb());
    if (outcome == v1::PROOF_PASSED) known.verified_int8_mops = result.speeds().int8_mops();
  } else if (!excused) {
    proof.set_misses(std::min(proof.misses() + 1, kProofMissesMax));
    if (proof.misses() == kProofMissesMax) {
      proof.set_state(v1::UNANSWERED);
      proof.clear_speeds();
      proof.clear_memory_mb();
    }
  }
  if (!excused) {
    proof.set_at_us(step.now.us);
    proof.set_detail(detail);
  }
  lapse_if_old(proof, step.state.policy, step.now);
  v1::DeviceChecked& told = *step.tell().mutable_device_checked();
  told.set_node(node.id.value);
  told.set_device(result.device());
  told.set_proof(node.proof.value);
  told.set_outcome(outcome);
  *told.mutable_state() = proof;
  told.set_excused(excused);
}

}  // namespace

bool proves_beside_leases(const v1::Policy& policy, const Node& node) {
  return policy.firm_proofs() && node.facts.proves_beside_leases();
}

// A processor's proof takes the time of whatever runs beside it, and says little.
std::vector<std::uint32_t> devices_to_prove(const v1::Policy& policy, const Node& node) {
  std::vector<std::uint32_t> places;
  if (!node.connected || node.removed || node.owner != v1::OWNER_AWAY) return places;
  if (!node.leases.empty() && !proves_beside_leases(policy, node)) return places;
  for (std::uint32_t place = 0; place < node.devices.size(); ++place) {
    const NodeDevice& device = node.devices[place];
    const bool is_idle_card =
        device.facts.kind() == v1::GPU && device.free_thousandths == kWholeDevice;
    if (node.leases.empty() || is_idle_card) places.push_back(place);
  }
  return places;
}

void lapse_proofs(Step& step, Node& node) {
  bool any = false;
  for (NodeDevice& device : node.devices) {
    // One that was never asked has none, and gets none by this.
    any = (device.facts.has_proof() &&
           lapse_if_old(*device.facts.mutable_proof(), step.state.policy, step.now)) ||
          any;
  }
  if (!any) return;
  step.state.book->update(node);
  touch_reservation(step.state, node.id);
}

bool is_one_of_its_kind(const v1::Device& device) {
  return device.kind() == v1::GPU && device.uuid().starts_with("GPU-");
}

void note_shown_devices(MarketState& state, const Node& node) {
  for (const NodeDevice& device : node.devices) {
    if (has_shown(device.facts) && is_one_of_its_kind(device.facts)) {
      state.shown_devices.insert_or_assign(device.facts.uuid(), node.id);
    }
  }
}

void forget_shown_devices(MarketState& state, const Node& node) {
  for (const NodeDevice& device : node.devices) {
    const auto found = state.shown_devices.find(device.facts.uuid());
    if (found != state.shown_devices.end() && found->second == node.id) {
      state.shown_devices.erase(found);
    }
  }
}

bool are_results(Step& step, const Node& node,
                 const google::protobuf::RepeatedPtrField<v1::ProofResult>& results) {
  std::uint32_t next = 0;
  for (const v1::ProofResult& result : results) {
    if (result.device() < next || result.device() >= node.devices.size() ||
        !v1::ProofOutcome_IsValid(result.outcome()) ||
        result.outcome() == v1::PROOF_OUTCOME_UNSPECIFIED) {
      step.refuse(v1::VALUE_INVALID, "results",
                  "results must name devices of the node, ascending, and an outcome");
      return false;
    }
    next = result.device() + 1;
  }
  return true;
}

// Devices that are leased, or their owner's, are left alone: a proof takes all of their memory.
// Which of a node's are asked is the hub's to say, by devices_to_prove().
void handle(Step& step, const v1::StartProof& command) {
  if (!require_market(step)) return;
  if (auto why = check_hash("seed", command.seed())) return step.refuse(std::move(*why));
  Node* const node = step.state.nodes.find(NodeId(command.node()));
  if (node == nullptr || node->removed || !node->connected || node->devices.empty()) {
    return step.refuse(v1::NOT_FOUND, "node", "node {} is not there to prove anything",
                       command.node());
  }
  if (command.lease() != 0) return start_lease_proof(step, *node, command);
  if (devices_to_prove(step.state.policy, *node).empty()) {
    return step.refuse(v1::NOT_ALLOWED, "node", "node {} has work to do, or its owner is there",
                       command.node());
  }
  node->proof = step.next_id<ProofId>();
  node->proof_disturbed = false;
  step.entity = node->proof.value;
  v1::ProofStarted& told = *step.tell().mutable_proof_started();
  told.set_node(node->id.value);
  told.set_proof(node->proof.value);
}

void handle(Step& step, const v1::FinishProof& command) {
  if (!require_market(step)) return;
  Node* const node = step.state.nodes.find(NodeId(command.node()));
  if (node != nullptr && !node->removed && command.lease() != 0) {
    return finish_lease_proof(step, *node, command);
  }
  if (node == nullptr || node->removed || !node->proof || node->proof.value != command.proof()) {
    return step.refuse(v1::STALE, "proof", "no proof {} of node {} runs", command.proof(),
                       command.node());
  }
  if (!are_results(step, *node, command.results())) return;
  step.entity = node->proof.value;
  for (const v1::ProofResult& result : command.results()) take_result(step, *node, result);
  forget_shown_devices(step.state, *node);
  note_shown_devices(step.state, *node);
  node->proof = ProofId();
  node->proof_disturbed = false;
  lapse_proofs(step, *node);  // of devices that were not asked
  step.state.book->update(*node);
  touch_reservation(step.state, node->id);
  node_gained(step.state, *node);
}

}  // namespace fallow::core
