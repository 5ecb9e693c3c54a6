// Sealed boxes: bytes that only the holder of one key can read, from a sender who needs none.
//
// libsodium's crypto_box_seal: an X25519 exchange between the receiver's key and a key pair that
// the sender makes for this one message and forgets, XSalsa20-Poly1305 over the bytes, the nonce
// the BLAKE2b of both public keys. What is altered does not open. It says nothing of who sealed it.
//
// Values; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/env.h"
#include "base/result.h"
#include "base/types.h"

namespace fallow {

// Beyond the plain bytes.
constexpr std::size_t kSealBytes = 48;

// Owns the secret half and wipes it when it goes. It is never stored: who loses it asks for
// everything again, sealed for another.
class SealingKey {
 public:
  // From 32 bytes of `random`.
  static SealingKey generate(Random& random);
  SealingKey(const SealingKey&) = delete;
  SealingKey& operator=(const SealingKey&) = delete;
  ~SealingKey();

  // 32 raw bytes.
  const std::string& public_key() const { return public_key_; }
  // kInvalid: it was sealed for another key, or altered.
  Result<std::string> open(std::string_view sealed) const;

 private:
  explicit SealingKey(std::span<const std::uint8_t, 32> seed);
  std::array<std::uint8_t, 32> secret_{};
  std::string public_key_;
};

// kInvalid when `public_key` is no key of 32 bytes.
Result<std::string> seal_for(std::string_view public_key, std::string_view plain);

// What a node signs when it asks for the secrets of a lease to be sealed for `public_key`.
std::string secret_ask_bytes(LeaseId lease, std::string_view public_key);

}  // namespace fallow
