#include "base/meter_bytes.h"

#include <gtest/gtest.h>

#include "base/digest.h"

namespace fallow {
namespace {

TEST(MeterBytes, AreTheDocumentedOnes) {
  PublicKey key{};
  for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::uint8_t>(i);
  const std::string bytes =
      meter_bytes(key, LeaseId(0x0102030405060708), 3, seconds(5), Time{-1}, Duration(0), 0);
  EXPECT_EQ(bytes.size(), 75U);
  EXPECT_EQ(bytes.substr(0, 15), "fallow meter v1");
  EXPECT_EQ(to_hex(std::span(reinterpret_cast<const std::uint8_t*>(bytes.data()) + 15, 60)),
            "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
            "0807060504030201"
            "03000000"
            "404b4c0000000000"
            "ffffffffffffffff");
  const std::string slowed =
      meter_bytes(key, LeaseId(0x0102030405060708), 3, seconds(5), Time{-1}, Duration(258), 0);
  EXPECT_EQ(slowed.size(), 83U);
  EXPECT_EQ(slowed.substr(0, 15), "fallow meter v2");
  EXPECT_EQ(slowed.substr(15, 60), bytes.substr(15));
  EXPECT_EQ(slowed.substr(75), std::string("\x02\x01\0\0\0\0\0\0", 8));
  const std::string sent =
      meter_bytes(key, LeaseId(0x0102030405060708), 3, seconds(5), Time{-1}, Duration(0), 515);
  EXPECT_EQ(sent.size(), 91U);
  EXPECT_EQ(sent.substr(0, 15), "fallow meter v3");
  EXPECT_EQ(sent.substr(15, 60), bytes.substr(15));
  EXPECT_EQ(sent.substr(75), std::string("\0\0\0\0\0\0\0\0\x03\x02\0\0\0\0\0\0", 16));
}

TEST(MeterBytes, EveryFieldChangesThem) {
  const PublicKey key{};
  const std::string base = meter_bytes(key, LeaseId(1), 1, seconds(1), Time{1}, seconds(0), 0);
  PublicKey other_key{};
  other_key[31] = 1;
  EXPECT_NE(base, meter_bytes(other_key, LeaseId(1), 1, seconds(1), Time{1}, seconds(0), 0));
  EXPECT_NE(base, meter_bytes(key, LeaseId(2), 1, seconds(1), Time{1}, seconds(0), 0));
  EXPECT_NE(base, meter_bytes(key, LeaseId(1), 2, seconds(1), Time{1}, seconds(0), 0));
  EXPECT_NE(base, meter_bytes(key, LeaseId(1), 1, seconds(2), Time{1}, seconds(0), 0));
  EXPECT_NE(base, meter_bytes(key, LeaseId(1), 1, seconds(1), Time{2}, seconds(0), 0));
  const std::string slowed = meter_bytes(key, LeaseId(1), 1, seconds(1), Time{1}, Duration(1), 0);
  EXPECT_NE(base, slowed);
  EXPECT_NE(slowed, meter_bytes(key, LeaseId(1), 1, seconds(1), Time{1}, Duration(2), 0));
  const std::string sent = meter_bytes(key, LeaseId(1), 1, seconds(1), Time{1}, Duration(1), 1);
  EXPECT_NE(slowed, sent);
  EXPECT_NE(sent, meter_bytes(key, LeaseId(1), 1, seconds(1), Time{1}, Duration(1), 2));
}

}  // namespace
}  // namespace fallow
