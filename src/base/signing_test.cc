#include "base/signing.h"

#include <gtest/gtest.h>

#include "base/digest.h"

namespace fallow {
namespace {

TEST(Signing, TheStandardsOwnExample) {
  // RFC 8032, section 7.1, test 2.
  const auto key = SigningKey::from_seed(
      from_hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb").value());
  ASSERT_TRUE(key);
  EXPECT_EQ(to_hex(key->public_key()),
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
  EXPECT_EQ(to_hex(key->sign("\x72")),
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
}

TEST(Signing, EveryAlteredBitIsNoticed) {
  const auto random = seeded_random(7);
  const SigningKey key = SigningKey::generate(*random);
  const std::string text = "fallow test v1";
  const Signature good = key.sign(text);
  EXPECT_TRUE(verify_signature(key.public_key(), text, good));
  for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
    Signature bad = good;
    bad[bit / 8] = static_cast<std::uint8_t>(bad[bit / 8] ^ (1U << (bit % 8)));
    EXPECT_FALSE(verify_signature(key.public_key(), text, bad)) << bit;
  }
  EXPECT_FALSE(verify_signature(key.public_key(), text + "!", good));
  EXPECT_FALSE(verify_signature(SigningKey::generate(*random).public_key(), text, good));
}

TEST(Signing, WrongLengthsAreRefusedNotRead) {
  const SigningKey key = SigningKey::generate(*seeded_random(1));
  const std::string key_bytes = to_bytes(key.public_key());
  const std::string signature = to_bytes(key.sign("x"));
  EXPECT_TRUE(verify_signature(key_bytes, "x", signature));
  EXPECT_FALSE(verify_signature("", "x", signature));
  EXPECT_FALSE(verify_signature(key_bytes, "x", signature.substr(1)));
  EXPECT_FALSE(verify_signature(std::string(32, '\0'), "x", signature));
  EXPECT_EQ(SigningKey::from_seed("short").error().code, ErrorCode::kInvalid);
  EXPECT_FALSE(public_key_from_bytes(std::string(33, 'k')));
}

TEST(Signing, ASeedMakesTheSameKeyAgain) {
  const SigningKey key = SigningKey::generate(*seeded_random(3));
  const auto again = SigningKey::from_seed(key.seed());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->public_key(), key.public_key());
  EXPECT_EQ(again->sign("a"), key.sign("a"));
}

}  // namespace
}  // namespace fallow
