// Proofs of devices: what the market asked to be shown, and where the outcomes leave a device.
// docs/gpu-proof.md.
#pragma once

#include "core/market_state.h"

namespace fallow::core {

// Asks without an answer in a row after which a device is UNANSWERED.
constexpr std::uint32_t kProofMissesMax = 3;

// Of a node that a snapshot brought: its devices stand for their UUIDs again.
void note_shown_devices(MarketState& state, const Node& node);

}  // namespace fallow::core
