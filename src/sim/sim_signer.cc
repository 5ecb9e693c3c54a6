#include "sim/sim_signer.h"

#include <algorithm>

#include "base/digest.h"

namespace fallow::sim {
namespace {

constexpr std::string_view kSigned = "fallow simulated signature";

// As long as one of Ed25519.
Signature signature_of(std::string_view key, std::string_view bytes) {
  const Digest digest = Digester().update(kSigned).update(key).update(bytes).finish();
  Signature signature{};
  std::copy(digest.begin(), digest.end(), signature.begin());
  std::copy(digest.begin(), digest.end(), signature.begin() + digest.size());
  return signature;
}

}  // namespace

Signature SimSigner::sign(std::string_view bytes) const {
  return signature_of({reinterpret_cast<const char*>(public_key_.data()), public_key_.size()},
                      bytes);
}

bool verify_simulated(std::string_view key, std::string_view bytes, std::string_view signature) {
  return signature == to_bytes(signature_of(key, bytes));
}

}  // namespace fallow::sim
