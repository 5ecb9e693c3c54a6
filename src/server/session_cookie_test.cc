// Which requests a cookie may let in, by what browsers say of where they come from.
#include "server/session_cookie.h"

#include <gtest/gtest.h>

namespace fallow::server {
namespace {

const std::string kHost = "market.example:8470";

struct Asked {
  bool may_read = false;
  bool may_change = false;
  bool may_reach = false;  // by a WebSocket
};

Asked asked(bool is_secure, net::Headers headers) {
  const CookieForm form = CookieForm::of(std::string(32, 's'), is_secure);
  net::Request request;
  request.headers = std::move(headers);
  request.headers.set("Host", kHost);
  Asked may;
  request.method = "GET";
  may.may_read = check_same_origin(form, request).has_value();
  request.method = "POST";
  may.may_change = check_same_origin(form, request).has_value();
  request.method = "GET";
  request.headers.set("Connection", "keep-alive, Upgrade");
  request.headers.set("Upgrade", "WebSocket");
  may.may_reach = check_same_origin(form, request).has_value();
  return may;
}

TEST(SessionCookie, AWebSocketIsNoReading) {
  for (const bool is_secure : {false, true}) {
    for (const net::Headers& headers : {net::Headers{}, net::Headers{{"Sec-Fetch-Site", "none"}}}) {
      const Asked may = asked(is_secure, headers);
      EXPECT_TRUE(may.may_read);
      EXPECT_FALSE(may.may_change);
      EXPECT_FALSE(may.may_reach);
    }
  }
}

// A page that came in the clear may be anybody's who stands on the way.
TEST(SessionCookie, WhereThereIsTlsAnOriginWithoutItIsAnother) {
  const struct {
    bool is_secure;
    const char* scheme;
    bool is_own;
  } cases[] = {{true, "http", false},
               {true, "https", true},
               {true, "HTTPS", true},
               {false, "http", true},
               {false, "https", true}};
  for (const auto& c : cases) {
    const Asked may = asked(c.is_secure, {{"Origin", c.scheme + ("://" + kHost)}});
    EXPECT_EQ(may.may_read, c.is_own) << c.scheme;
    EXPECT_EQ(may.may_change, c.is_own) << c.scheme;
    EXPECT_EQ(may.may_reach, c.is_own) << c.scheme;
  }
}

TEST(SessionCookie, WhatTheBrowserSaysOfTheSiteComesBeforeTheOrigin) {
  for (const char* site : {"cross-site", "same-site", "nonsense", ""}) {
    const Asked may = asked(true, {{"Sec-Fetch-Site", site}, {"Origin", "https://" + kHost}});
    EXPECT_FALSE(may.may_read || may.may_change || may.may_reach) << site;
  }
  const Asked may = asked(true, {{"Sec-Fetch-Site", "same-origin"}});
  EXPECT_TRUE(may.may_read && may.may_change && may.may_reach);
}

}  // namespace
}  // namespace fallow::server
