// Proofs of devices: what the market asked to be shown, and where the outcomes leave a device.
// docs/gpu-proof.md.
#pragma once

#include "core/market_state.h"

namespace fallow::core {

// Asks without an answer in a row after which a device is UNANSWERED.
constexpr std::uint32_t kProofMissesMax = 3;

// Whether no other device has its UUID: the driver of an NVIDIA device names it so, other names are
// only unique within a machine. A processor, whose proof is easy, can block no card's name.
bool is_one_of_its_kind(const v1::Device& device);

// The node's devices that have shown what they are stand for their UUIDs, as after a change of
// theirs or from a snapshot; and they do no more, as before such a change.
void note_shown_devices(MarketState& state, const Node& node);
void forget_shown_devices(MarketState& state, const Node& node);

}  // namespace fallow::core
