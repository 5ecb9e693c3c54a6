#include "sim/sim_signer.h"

#include <gtest/gtest.h>

#include <string>

namespace fallow::sim {
namespace {

TEST(SimSigner, OnlyWhatItSignedHolds) {
  const auto random = seeded_random(1);
  const SimSigner signer(*random);
  const SimSigner other(*random);
  const auto key_of = [](const SimSigner& of) {
    return std::string(of.public_key().begin(), of.public_key().end());
  };
  EXPECT_NE(key_of(signer), key_of(other));
  const std::string signature = to_bytes(signer.sign("meter"));
  EXPECT_TRUE(verify_simulated(key_of(signer), "meter", signature));
  EXPECT_FALSE(verify_simulated(key_of(other), "meter", signature));
  EXPECT_FALSE(verify_simulated(key_of(signer), "meters", signature));
  EXPECT_FALSE(verify_simulated(key_of(signer), "meter", signature.substr(1)));
  EXPECT_FALSE(verify_simulated(key_of(signer), "meter", ""));
  for (std::size_t byte = 0; byte < signature.size(); ++byte) {
    std::string damaged = signature;
    damaged[byte] = static_cast<char>(damaged[byte] ^ 1);
    EXPECT_FALSE(verify_simulated(key_of(signer), "meter", damaged)) << byte;
  }
}

}  // namespace
}  // namespace fallow::sim
