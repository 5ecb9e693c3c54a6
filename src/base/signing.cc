#include "base/signing.h"

#include <sodium/core.h>
#include <sodium/crypto_sign.h>
#include <sodium/utils.h>

#include <algorithm>

#include "base/check.h"

namespace fallow {
namespace {

static_assert(crypto_sign_SEEDBYTES == 32);
static_assert(crypto_sign_PUBLICKEYBYTES == std::tuple_size_v<PublicKey>);
static_assert(crypto_sign_SECRETKEYBYTES == 64);
static_assert(crypto_sign_BYTES == std::tuple_size_v<Signature>);

const unsigned char* raw(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

}  // namespace

SigningKey::SigningKey(std::span<const std::uint8_t, 32> seed) {
  FALLOW_CHECK(sodium_init() >= 0, "libsodium cannot start");
  const int made = crypto_sign_seed_keypair(public_key_.data(), secret_.data(), seed.data());
  FALLOW_CHECK(made == 0, "a key pair follows from every seed");
}

SigningKey SigningKey::generate(Random& random) {
  std::array<std::uint8_t, 32> seed{};
  random.fill(seed);
  SigningKey key(seed);
  sodium_memzero(seed.data(), seed.size());
  return key;
}

Result<SigningKey> SigningKey::from_seed(std::string_view seed) {
  if (seed.size() != 32) {
    return fail(ErrorCode::kInvalid, "a signing key has 32 bytes, not {}", seed.size());
  }
  std::array<std::uint8_t, 32> bytes{};
  std::copy(seed.begin(), seed.end(), bytes.begin());
  SigningKey key(bytes);
  sodium_memzero(bytes.data(), bytes.size());
  return key;
}

SigningKey::~SigningKey() { sodium_memzero(secret_.data(), secret_.size()); }

std::string SigningKey::seed() const {
  // An Ed25519 secret key of libsodium is the seed followed by the public key.
  return {reinterpret_cast<const char*>(secret_.data()), 32};
}

Signature SigningKey::sign(std::string_view bytes) const {
  Signature signature{};
  crypto_sign_detached(signature.data(), nullptr, raw(bytes), bytes.size(), secret_.data());
  return signature;
}

bool verify_signature(const PublicKey& key, std::string_view bytes, const Signature& signature) {
  return crypto_sign_verify_detached(signature.data(), raw(bytes), bytes.size(), key.data()) == 0;
}

bool verify_signature(std::string_view key, std::string_view bytes, std::string_view signature) {
  if (key.size() != crypto_sign_PUBLICKEYBYTES || signature.size() != crypto_sign_BYTES) {
    return false;
  }
  return crypto_sign_verify_detached(raw(signature), raw(bytes), bytes.size(), raw(key)) == 0;
}

std::string to_bytes(const Signature& signature) {
  return {reinterpret_cast<const char*>(signature.data()), signature.size()};
}

Result<PublicKey> public_key_from_bytes(std::string_view bytes) {
  PublicKey key{};
  if (bytes.size() != key.size()) {
    return fail(ErrorCode::kInvalid, "a public key has 32 bytes, not {}", bytes.size());
  }
  std::copy(bytes.begin(), bytes.end(), key.begin());
  return key;
}

}  // namespace fallow
