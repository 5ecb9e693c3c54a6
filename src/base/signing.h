// Ed25519 (RFC 8032): nodes sign meter records, the market signs receipts.
//
// Values; any thread. Every signed text begins with a name of its own ("fallow meter v1"), so that
// a signature for one purpose never serves another.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/env.h"
#include "base/result.h"

namespace fallow {

using PublicKey = std::array<std::uint8_t, 32>;
using Signature = std::array<std::uint8_t, 64>;

// Owns a secret key and wipes it when it goes. Copy on purpose only.
class SigningKey {
 public:
  // A new key from 32 bytes of `random`.
  static SigningKey generate(Random& random);
  // From the 32 secret bytes that seed() gave. kInvalid for another length.
  static Result<SigningKey> from_seed(std::string_view seed);
  SigningKey(const SigningKey&) = default;
  SigningKey& operator=(const SigningKey&) = default;
  ~SigningKey();

  const PublicKey& public_key() const { return public_key_; }
  // The 32 bytes to keep secret.
  std::string seed() const;
  Signature sign(std::string_view bytes) const;

 private:
  explicit SigningKey(std::span<const std::uint8_t, 32> seed);
  std::array<std::uint8_t, 64> secret_{};
  PublicKey public_key_{};
};

// False for a wrong signature, a malformed one, or a key that is no point of the curve.
bool verify_signature(const PublicKey& key, std::string_view bytes, const Signature& signature);
// The same for the raw bytes that protobuf fields carry; false for other lengths.
bool verify_signature(std::string_view key, std::string_view bytes, std::string_view signature);

// The raw bytes that protobuf fields carry, and back (kInvalid for another length).
std::string to_bytes(const Signature& signature);
Result<PublicKey> public_key_from_bytes(std::string_view bytes);

}  // namespace fallow
