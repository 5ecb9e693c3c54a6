#include "base/sealing.h"

#include <gtest/gtest.h>

#include "base/digest.h"

namespace fallow {
namespace {

TEST(Sealing, OnlyTheKeyItIsForOpensIt) {
  const auto random = seeded_random(3);
  const SealingKey key = SealingKey::generate(*random);
  const SealingKey other = SealingKey::generate(*random);
  for (const std::string& plain :
       {std::string(), std::string("pass word"), std::string(70'000, 'x')}) {
    const auto sealed = seal_for(key.public_key(), plain);
    ASSERT_TRUE(sealed) << sealed.error().message;
    EXPECT_EQ(sealed->size(), plain.size() + kSealBytes);
    if (plain.size() > 8) {
      EXPECT_EQ(sealed->find(plain.substr(0, 8)), std::string::npos);
    }
    EXPECT_EQ(key.open(*sealed).value(), plain);
    ASSERT_FALSE(other.open(*sealed));
    EXPECT_EQ(other.open(*sealed).error().code, ErrorCode::kInvalid);
    // Each time another sender's key.
    EXPECT_NE(seal_for(key.public_key(), plain).value(), *sealed);
  }
}

TEST(Sealing, WhatIsAlteredOrCutDoesNotOpen) {
  const SealingKey key = SealingKey::generate(*seeded_random(5));
  const std::string sealed = seal_for(key.public_key(), "secret").value();
  for (std::size_t bit = 0; bit < 8 * sealed.size(); ++bit) {
    std::string bad = sealed;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    // X25519 passes over the highest bit of a public key; the nonce does not.
    EXPECT_FALSE(key.open(bad)) << bit;
  }
  for (std::size_t size = 0; size < sealed.size(); ++size) {
    EXPECT_FALSE(key.open(std::string_view(sealed).substr(0, size))) << size;
  }
}

TEST(Sealing, WhatIsNoKeyIsRefused) {
  EXPECT_FALSE(seal_for("", "x"));
  EXPECT_FALSE(seal_for(std::string(31, 'k'), "x"));
  // A point of small order: everybody would know what follows from it.
  EXPECT_FALSE(seal_for(std::string(32, '\0'), "x"));
}

TEST(Sealing, TheBoxesAreLibsodiums) {
  // Sealed by libsodium's own crypto_box_seal, for the key pair of the seed 0, 1, ... 31.
  class Counting final : public Random {
   public:
    void fill(std::span<std::uint8_t> bytes) override {
      std::uint8_t next = 0;
      for (std::uint8_t& byte : bytes) byte = next++;
    }
  } counting;
  const SealingKey key = SealingKey::generate(counting);
  EXPECT_EQ(to_hex(std::string_view(key.public_key())),
            "4701d08488451f545a409fb58ae3e58581ca40ac3f7f114698cd71deac73ca01");
  EXPECT_EQ(key.open(from_hex("586370364cc84e3f50f6ffca6db9b4440e7e4f1bca049fa642fb176292b4af55e884"
                              "812c3b375e1bc86b5e001aa8c46b5dd20e001dca")
                         .value())
                .value(),
            "fallow");
}

TEST(Sealing, ASignedAskNamesItsLeaseAndKey) {
  const std::string key(32, 'k');
  EXPECT_EQ(secret_ask_bytes(LeaseId(0x0102), key),
            std::string("fallow secret ask v1\x02\x01\0\0\0\0\0\0", 28) + key);
  EXPECT_NE(secret_ask_bytes(LeaseId(1), key), secret_ask_bytes(LeaseId(2), key));
}

}  // namespace
}  // namespace fallow
