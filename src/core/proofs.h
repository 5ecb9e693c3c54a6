// Proofs of devices: what the market asked to be shown, and where the outcomes leave a device.
// docs/gpu-proof.md.
#pragma once

#include <cstdint>
#include <vector>

#include "core/step.h"

namespace fallow::core {

// Asks without an answer in a row after which a device is UNANSWERED.
constexpr std::uint32_t kProofMissesMax = 3;
// What a proof is worth beyond two intervals. An idle device is asked within one and a half of
// them; the rest is for a market that is busy with the proofs of others.
constexpr Duration kProofSlack = minutes(10);

// May the node be asked while it has leases?
bool proves_beside_leases(const v1::Policy& policy, const Node& node);

// Places of the devices that the node may be asked to prove now, ascending: all of them, or beside
// leases the cards that stand idle. None while the node is not connected or its owner is there.
std::vector<std::uint32_t> devices_to_prove(const v1::Policy& policy, const Node& node);

// Devices whose proof is too old are no longer verified, and the book knows it. To be called
// whenever a node may take more than before: an idle one is asked often enough, so a proof grows
// old only while nobody could ask.
void lapse_proofs(Step& step, Node& node);

// Results that name devices of the node, ascending, each with an outcome. Else: refused.
bool are_results(Step& step, const Node& node,
                 const google::protobuf::RepeatedPtrField<v1::ProofResult>& results);

// Whether no other device has its UUID: the driver of an NVIDIA device names it so, other names are
// only unique within a machine. A processor, whose proof is easy, can block no card's name.
bool is_one_of_its_kind(const v1::Device& device);

// The node's devices that have shown what they are stand for their UUIDs, as after a change of
// theirs or from a snapshot; and they do no more, as before such a change.
void note_shown_devices(MarketState& state, const Node& node);
void forget_shown_devices(MarketState& state, const Node& node);

}  // namespace fallow::core
