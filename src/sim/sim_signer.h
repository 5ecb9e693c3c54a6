// SimSigner: a simulated node's key. Its signature is a hash of the public key and what was signed:
// one of other bytes, or of another node, does not hold. Nobody in the simulator forges, and
// Ed25519 would be two fifths of a run's time.
//
// A value; any thread.
#pragma once

#include <string_view>

#include "agent/signer.h"
#include "base/env.h"
#include "base/signing.h"

namespace fallow::sim {

class SimSigner final : public agent::Signer {
 public:
  // A new key from 32 bytes of `random`.
  explicit SimSigner(Random& random) { random.fill(public_key_); }
  const PublicKey& public_key() const override { return public_key_; }
  Signature sign(std::string_view bytes) const override;

 private:
  PublicKey public_key_{};
};

// What verify_signature() is for Ed25519.
bool verify_simulated(std::string_view key, std::string_view bytes, std::string_view signature);

}  // namespace fallow::sim
