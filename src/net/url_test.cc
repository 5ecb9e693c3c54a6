#include "net/url.h"

#include <gtest/gtest.h>

namespace fallow::net {
namespace {

TEST(Url, TakesApartWhatPeopleWrite) {
  const auto url = parse_url("HTTPS://Market.Example:8443/v1/offers?x=1#part");
  ASSERT_TRUE(url);
  EXPECT_TRUE(url->is_tls);
  EXPECT_EQ(url->host, "market.example");
  EXPECT_EQ(url->port, 8443);
  EXPECT_EQ(url->target, "/v1/offers?x=1");
  EXPECT_EQ(url->authority(), "market.example:8443");
}

TEST(Url, FillsInPortAndPath) {
  EXPECT_EQ(parse_url("http://a")->port, 80);
  EXPECT_EQ(parse_url("https://a")->port, 443);
  EXPECT_EQ(parse_url("https://a")->host_header(), "a");
  EXPECT_EQ(parse_url("http://a:443")->host_header(), "a:443");
  EXPECT_EQ(parse_url("http://a")->target, "/");
  EXPECT_EQ(parse_url("http://a?q=1")->target, "/?q=1");
}

TEST(Url, KnowsIpv6) {
  const auto url = parse_url("http://[::1]:8080/x");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->host, "::1");
  EXPECT_EQ(url->authority(), "[::1]:8080");
}

TEST(Url, RefusesWhatIsNoUrl) {
  for (const char* text :
       {"", "a", "ftp://a", "http://", "http:///x", "http://a:", "http://a:0", "http://a:65536",
        "http://a:8x", "http://a:-1", "http://user@a", "http://[::1", "http://[abc]",
        "http://[::1]x", "http://a b/", "http://a/\r\nHost: b", "http://a\\b/", "http://::1/",
        "http://a:1:2/"}) {
    const auto url = parse_url(text);
    ASSERT_FALSE(url) << text;
    EXPECT_EQ(url.error().code, ErrorCode::kInvalid) << text;
  }
  EXPECT_FALSE(parse_url("http://a/" + std::string(kUrlBytesMax, 'x')));
  EXPECT_FALSE(parse_url(std::string_view("http://a/\0b", 11)));
}

TEST(Target, DecodesSegmentsOneByOne) {
  const auto target = parse_target("/v1/artifacts/a%2Fb/c%20d?name=x+y%26z&flag&=&q=%C3%A9");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->segments, (std::vector<std::string>{"v1", "artifacts", "a/b", "c d"}));
  EXPECT_EQ(*target->query_value("name"), "x y&z");
  EXPECT_EQ(*target->query_value("flag"), "");
  EXPECT_EQ(*target->query_value("q"), "\xc3\xa9");
  EXPECT_EQ(target->query_value("none"), nullptr);
  EXPECT_TRUE(parse_target("/")->segments.empty());
}

TEST(Target, RefusesTraversalAndBrokenEscapes) {
  for (const char* text : {"", "x", "*", "/..", "/a/../b", "/a/.", "/%2e%2E/x", "/%", "/%4", "/%zz",
                           "/%00", "/a?x=%", "/a b", "http://a/"}) {
    EXPECT_FALSE(parse_target(text)) << text;
  }
}

TEST(Percent, EveryByteSurvivesTheRoundTrip) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<char>(i));
  EXPECT_EQ(percent_decode(percent_encode(bytes)).value(), bytes);
  EXPECT_EQ(percent_encode("a/b c"), "a%2Fb%20c");
}

}  // namespace
}  // namespace fallow::net
