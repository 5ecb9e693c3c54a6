#include "base/join_token.h"

#include <gtest/gtest.h>

#include "base/base64.h"

namespace fallow {
namespace {

JoinToken example() {
  JoinToken token;
  token.url = "https://127.0.0.1:8470";
  token.certificate.fill(0xAB);
  token.secret.fill(0x01);
  return token;
}

std::string raw(const JoinToken& token) {
  return from_base64url(std::string_view(to_text(token)).substr(4)).value();
}

TEST(JoinToken, ComesBackAsItWas) {
  const JoinToken token = example();
  EXPECT_EQ(parse_join_token(to_text(token)).value(), token);
  EXPECT_EQ(parse_join_token("  " + to_text(token) + "\r\n").value(), token);
  EXPECT_EQ(raw(token).size(), 65 + token.url.size());

  JoinToken plain = token;
  plain.url = "http://[::1]:80";
  plain.certificate = {};
  EXPECT_FALSE(plain.pins_certificate());
  EXPECT_EQ(parse_join_token(to_text(plain)).value(), plain);
}

TEST(JoinToken, TheServerKeepsTheHashOfTheSecret) {
  EXPECT_EQ(example().secret_hash(), digest_of(std::string(32, '\x01')));
}

TEST(JoinToken, RefusesEveryCutAndWhatItCannotUse) {
  const std::string text = to_text(example());
  for (std::size_t length = 0; length < 4 + 65 * 4 / 3; ++length) {
    const auto cut = parse_join_token(text.substr(0, length));
    ASSERT_FALSE(cut) << length;
    EXPECT_EQ(cut.error().code, ErrorCode::kInvalid);
  }
  EXPECT_FALSE(parse_join_token(text + "=") || parse_join_token("fj2." + text.substr(4)));
  EXPECT_FALSE(parse_join_token(text + std::string(5000, 'A')));

  JoinToken token = example();
  for (const char* url : {"ftp://x", "https://a b", "", "https://\x01", "127.0.0.1:80"}) {
    token.url = url;
    EXPECT_FALSE(parse_join_token(to_text(token))) << url;
  }
  token = example();
  token.certificate = {};
  EXPECT_FALSE(parse_join_token(to_text(token))) << "https without a pin";
  token = example();
  token.url = "http://127.0.0.1:80";
  EXPECT_FALSE(parse_join_token(to_text(token))) << "a pin without https";

  std::string other_version = raw(example());
  other_version[0] = 2;
  EXPECT_NE(parse_join_token("fj1." + to_base64url(other_version)).error().message.find("version"),
            std::string::npos);
}

}  // namespace
}  // namespace fallow
