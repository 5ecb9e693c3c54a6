#include "base/number.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace fallow {
namespace {

TEST(Number, IsTheWholeText) {
  EXPECT_EQ(parse_number<std::uint64_t>("18446744073709551615"), 18446744073709551615U);
  EXPECT_EQ(parse_number<std::int64_t>("-7"), -7);
  EXPECT_EQ(parse_number<double>("2.5"), 2.5);
  for (const char* text : {"inf", "nan", "1e999", "2.5 ", "0x1p3"}) {
    EXPECT_FALSE(parse_number<double>(text)) << text;
  }
  for (const char* text : {"", " 1", "1 ", "1.0", "0x1", "+1", "-1", "18446744073709551616", "a"}) {
    EXPECT_FALSE(parse_number<std::uint64_t>(text)) << text;
  }
}

}  // namespace
}  // namespace fallow
