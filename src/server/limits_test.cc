#include "server/limits.h"

#include <gtest/gtest.h>

#include "server/artifact_routes.h"
#include "server/auth.h"

namespace fallow::server {
namespace {

constexpr Time kStart = Time{1'000'000};

TEST(RateLimiter, LetsABurstInAndThenTheRate) {
  RateLimiter limiter({10, 3}, 64, 1);
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(limiter.take(7, kStart));
  const auto wait = limiter.take(7, kStart);
  ASSERT_TRUE(wait);
  EXPECT_EQ(wait->value, 100'000);
  EXPECT_FALSE(limiter.take(8, kStart));
  EXPECT_FALSE(limiter.take(7, kStart + milliseconds(100)));
  EXPECT_TRUE(limiter.take(7, kStart + milliseconds(100)));
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(limiter.take(7, kStart + seconds(60)));
  EXPECT_TRUE(limiter.take(7, kStart + seconds(60)));
}

TEST(RateLimiter, AZeroRateIsNoLimit) {
  RateLimiter limiter({0, 0}, 64, 1);
  for (int i = 0; i < 1'000; ++i) EXPECT_FALSE(limiter.take(7, kStart));
}

TEST(RateLimiter, ManyCallersTakeOnlyThePlaceThereIs) {
  RateLimiter limiter({1, 1}, 64, 1);
  for (std::uint64_t caller = 1; caller < 100'000; ++caller) {
    EXPECT_FALSE(limiter.take(caller, kStart + microseconds(static_cast<std::int64_t>(caller))));
  }
}

TEST(RateLimiter, AClockThatStandsStillGivesNothing) {
  RateLimiter limiter({1'000'000, 1}, 8, 1);
  EXPECT_FALSE(limiter.take(1, kStart));
  EXPECT_TRUE(limiter.take(1, kStart));
  EXPECT_TRUE(limiter.take(1, kStart - seconds(1)));
}

TEST(PeerNumber, TellsHostsApartAndNotPorts) {
  EXPECT_EQ(peer_number("192.0.2.1:80"), peer_number("192.0.2.1:81"));
  EXPECT_NE(peer_number("192.0.2.1:80"), peer_number("192.0.2.2:80"));
  EXPECT_EQ(peer_number("[2001:db8::1]:80"), peer_number("[2001:db8::2]:80"));
  EXPECT_NE(peer_number("[2001:db8::1]:80"), peer_number("[2001:db9::1]:80"));
}

TEST(Admission, CountsTicketsOutAgain) {
  Admission admission(2);
  {
    const auto first = admission.enter();
    const auto second = admission.enter();
    EXPECT_TRUE(first && second);
    EXPECT_FALSE(admission.enter());
    EXPECT_EQ(admission.in_flight(), 2U);
  }
  EXPECT_EQ(admission.in_flight(), 0U);
  EXPECT_TRUE(admission.enter());
}

TEST(BearerToken, ReadsOneFormOnly) {
  const auto token = [](std::string value) {
    const net::Headers headers{{"authorization", std::move(value)}};
    const auto answer = bearer_token(headers);
    return answer ? std::string(*answer) : answer.error().code();
  };
  EXPECT_EQ(token("Bearer abc"), "abc");
  EXPECT_EQ(token("bearer abc"), "abc");
  EXPECT_EQ(token("Bearer "), "key_missing");
  EXPECT_EQ(token("Basic abc"), "key_missing");
  EXPECT_EQ(bearer_token({}).error().status(), 401U);
  EXPECT_FALSE(key_hash_of("abc"));
  EXPECT_FALSE(key_hash_of("fk_" + std::string(64, 'G')));
  EXPECT_EQ(key_hash_of(key_text(std::string(32, 'a'))).value_or(Digest{}),
            digest_of(std::string(32, 'a')));
}

TEST(ParseRange, ReadsOneRangeWithinTheBytes) {
  const auto range = [](std::string_view text, std::uint64_t size) -> std::string {
    const auto answer = parse_range(text, size);
    if (!answer) return answer.error().code();
    if (!*answer) return "whole";
    return fmt::format("{}+{}", (*answer)->first, (*answer)->count);
  };
  EXPECT_EQ(range("bytes=0-9", 100), "0+10");
  EXPECT_EQ(range("bytes=90-", 100), "90+10");
  EXPECT_EQ(range("bytes=-10", 100), "90+10");
  EXPECT_EQ(range("bytes=-1000", 100), "0+100");
  EXPECT_EQ(range("bytes=50-1000", 100), "50+50");
  EXPECT_EQ(range("bytes=100-", 100), "range_wrong");
  EXPECT_EQ(range("bytes=-0", 100), "range_wrong");
  EXPECT_EQ(range("bytes=0-", 0), "range_wrong");
  EXPECT_EQ(range("bytes=-5", 0), "range_wrong");
  EXPECT_EQ(range("bytes=18446744073709551615-", 100), "range_wrong");
  EXPECT_EQ(range("bytes=0-18446744073709551615", 100), "0+100");
  for (const char* text : {"bytes=9-0", "bytes=", "bytes=-", "bytes=a-b", "bytes=1-2,3-4",
                           "lines=1-2", "bytes=18446744073709551616-", "bytes=--5", ""}) {
    EXPECT_EQ(range(text, 100), "whole") << text;
  }
}

}  // namespace
}  // namespace fallow::server
