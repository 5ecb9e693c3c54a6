#include "base/base64.h"

#include <gtest/gtest.h>

namespace fallow {
namespace {

TEST(Base64, KnownTexts) {
  // RFC 4648, section 10, without padding.
  EXPECT_EQ(to_base64url(""), "");
  EXPECT_EQ(to_base64url("f"), "Zg");
  EXPECT_EQ(to_base64url("fo"), "Zm8");
  EXPECT_EQ(to_base64url("foo"), "Zm9v");
  EXPECT_EQ(to_base64url("foobar"), "Zm9vYmFy");
  EXPECT_EQ(to_base64url("\xfb\xff\xfe"), "-__-");
  EXPECT_EQ(from_base64url("Zm9vYg").value(), "foob");
}

TEST(Base64, EveryByteAtEveryPlaceComesBack) {
  for (int length = 1; length <= 4; ++length) {
    for (int byte = 0; byte < 256; ++byte) {
      const std::string bytes(static_cast<std::size_t>(length), static_cast<char>(byte));
      EXPECT_EQ(from_base64url(to_base64url(bytes)).value(), bytes);
    }
  }
}

TEST(Base64, RefusesWhatIsNotCanonical) {
  for (const char* bad : {"Z", "Zg==", "Zm9v ", "Zm+v", "Zm/v", "Zh", "Zm9", "\xff\xff"}) {
    const auto answer = from_base64url(bad);
    ASSERT_FALSE(answer) << bad;
    EXPECT_EQ(answer.error().code, ErrorCode::kInvalid);
  }
}

}  // namespace
}  // namespace fallow
