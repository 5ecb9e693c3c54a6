#include "base/sealing.h"

#include <sodium/core.h>
#include <sodium/crypto_box.h>
#include <sodium/utils.h>

#include "base/check.h"

namespace fallow {
namespace {

static_assert(crypto_box_SEEDBYTES == 32);
static_assert(crypto_box_SECRETKEYBYTES == 32);
static_assert(crypto_box_SEALBYTES == kSealBytes);

unsigned char* box_bytes(std::string& bytes) {
  return reinterpret_cast<unsigned char*>(bytes.data());
}
const unsigned char* box_bytes(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

}  // namespace

SealingKey::SealingKey(std::span<const std::uint8_t, 32> seed)
    : public_key_(crypto_box_PUBLICKEYBYTES, '\0') {
  FALLOW_CHECK(sodium_init() >= 0, "libsodium cannot start");
  const int made = crypto_box_seed_keypair(box_bytes(public_key_), secret_.data(), seed.data());
  FALLOW_CHECK(made == 0, "a key pair follows from every seed");
}

SealingKey SealingKey::generate(Random& random) {
  struct Seed {
    std::array<std::uint8_t, 32> bytes{};
    ~Seed() { sodium_memzero(bytes.data(), bytes.size()); }
  } seed;
  random.fill(seed.bytes);
  return SealingKey(seed.bytes);
}

SealingKey::~SealingKey() { sodium_memzero(secret_.data(), secret_.size()); }

Result<std::string> SealingKey::open(std::string_view sealed) const {
  if (sealed.size() >= kSealBytes) {
    std::string plain(sealed.size() - kSealBytes, '\0');
    if (crypto_box_seal_open(box_bytes(plain), box_bytes(sealed), sealed.size(),
                             box_bytes(std::string_view(public_key_)), secret_.data()) == 0) {
      return plain;
    }
  }
  return fail(ErrorCode::kInvalid, "it is sealed for another key, or was altered on its way");
}

Result<std::string> seal_for(std::string_view public_key, std::string_view plain) {
  FALLOW_CHECK(sodium_init() >= 0, "libsodium cannot start");
  std::string sealed(plain.size() + kSealBytes, '\0');
  if (public_key.size() != crypto_box_PUBLICKEYBYTES ||
      crypto_box_seal(box_bytes(sealed), box_bytes(plain), plain.size(), box_bytes(public_key)) !=
          0) {
    return fail(ErrorCode::kInvalid, "this is no key to seal anything for");
  }
  return sealed;
}

std::string secret_ask_bytes(LeaseId lease, std::string_view public_key) {
  std::string bytes = "fallow secret ask v1";
  for (unsigned i = 0; i < 8; ++i) {
    bytes.push_back(static_cast<char>((lease.value >> (8 * i)) & 0xFFU));
  }
  bytes += public_key;
  return bytes;
}

}  // namespace fallow
